"""Settings: `BRUSHWORK_...` in the environment, or in the `brushwork.env` that `brushwork up` writes."""

from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.wording.validation import first_invalid
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from brushwork_core.settings.connection_settings import ConnectionSettings
from brushwork_core.settings.credentials_settings import CredentialsSettings
from brushwork_core.settings.decoder_settings import DecoderSettings
from brushwork_core.settings.environment import env_file
from brushwork_core.settings.groups import (
    BatchingSettings,
    ClientSettings,
    GatewaySettings,
    LeaseSettings,
    ModelSettings,
    PolicySettings,
    QueueSettings,
    ServiceSettings,
    WebhookSettings,
    WorkerSettings,
)
from brushwork_core.settings.mark_settings import MarkSettings


# The bases are listed backwards, since pydantic collects the fields of the last base first.
class Settings(
    CredentialsSettings,
    WebhookSettings,
    MarkSettings,
    DecoderSettings,
    ConnectionSettings,
    GatewaySettings,
    ClientSettings,
    QueueSettings,
    LeaseSettings,
    BatchingSettings,
    WorkerSettings,
    PolicySettings,
    ModelSettings,
    ServiceSettings,
    BaseSettings,
):
    """All settings. Arguments override the environment, and the environment overrides `brushwork.env`."""

    model_config = SettingsConfigDict(
        env_prefix="BRUSHWORK_",
        # A compose file hands on what is not set as an empty word.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        # Addresses hold passwords.
        hide_input_in_errors=True,
    )

    @property
    def service(self) -> ServiceSettings:
        """Addresses of the broker, the ledger and the artifact store."""
        return self

    @property
    def model(self) -> ModelSettings:
        """Models of a worker, and the memory that they may take."""
        return self

    @property
    def worker(self) -> WorkerSettings:
        """The worker processes of a machine."""
        return self

    @property
    def batching(self) -> BatchingSettings:
        """Limits of a batch."""
        return self

    @property
    def lease(self) -> LeaseSettings:
        """Leases, and how soon a lost job or a hung worker is found."""
        return self

    @property
    def queue(self) -> QueueSettings:
        """Dispatch of queued jobs, and attempts of a job."""
        return self

    @property
    def client(self) -> ClientSettings:
        """What a client connects to, and what it may fetch."""
        return self

    @property
    def gateway(self) -> GatewaySettings:
        """Limits of the gateway, and links of its page."""
        return self

    @property
    def connection(self) -> ConnectionSettings:
        """Limits of a connection, and of all connections together."""
        return self

    @property
    def marks(self) -> MarkSettings:
        """Labels and parameters in the files of new pictures."""
        return self

    @property
    def webhook(self) -> WebhookSettings:
        """Signatures, receivers and retries of webhooks."""
        return self

    @property
    def credentials(self) -> CredentialsSettings:
        """Content Credentials of the pictures that are made here."""
        return self

    def overridden(self, **overrides: Any) -> "Settings":
        """These settings, with some in place of theirs; one that is None counts as not given.

        Raises:
            InvalidRequest: As `load`.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        checked = Settings.load(**given)
        return self.model_copy(update={name: getattr(checked, name) for name in given})

    @classmethod
    def load(cls, **overrides: Any) -> "Settings":
        """Settings of this process; an override that is None counts as not given.

        Raises:
            InvalidRequest: One of them is out of its limits, or no address; the message names it.
        """
        file = env_file()
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(_env_file=file if file.is_file() else None, **given)
        except ValidationError as error:
            wrong = first_invalid(error)
            field = wrong.name.partition(".")[0]
            raise InvalidRequest(
                said("{field}: {reason}.", field=field, reason=wrong.reason),
                field=field,
                hint=said(
                    "Change BRUSHWORK_{field}, or the argument {field_2}.", field=field.upper(), field_2=field
                ),
            ) from None
