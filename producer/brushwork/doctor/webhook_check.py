"""Check the secret of webhooks, and find events that were given up."""

from collections.abc import Iterator

from brushwork_core.ledger.outbox import Outbox
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import InvalidRequest

from brushwork.doctor.database_check import existing
from brushwork.doctor.finding import Finding, fail, ok, warn
from brushwork.webhooks.signature import Signature

ABOUT = "webhooks"


def check_webhooks(settings: Settings) -> Iterator[Finding]:
    """Check the secret, and find dead events."""
    secret = settings.webhook_secret
    if secret is None:
        hint = "Set BRUSHWORK_WEBHOOK_SECRET to the output of: echo whsec_$(openssl rand -base64 32)"
        yield warn(ABOUT, "BRUSHWORK_WEBHOOK_SECRET is not set, so no webhooks are sent.", hint)
    else:
        try:
            Signature(secret.get_secret_value())
        except InvalidRequest as error:
            yield fail(ABOUT, error.message, error.hint)
        else:
            yield ok(ABOUT, "The secret of webhooks is valid.")
    yield from _dead(settings)


def _dead(settings: Settings) -> Iterator[Finding]:
    with existing(settings) as database:
        dead = Outbox(database).list(dead=True, limit=1) if database else []
    if dead:
        hint = "List them: brushwork webhooks list --dead. Try again: brushwork webhooks replay --dead"
        yield warn(ABOUT, f"Some events were given up. The newest one was for {dead[0].url}.", hint)
