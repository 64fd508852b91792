"""Signs the pictures of jobs as the operator has set it, also when signing fails."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from brushwork_schemas.artifact import SignedBy
from brushwork_schemas.errors import MissingExtra, SigningFailed
from brushwork_schemas.warnings import ResultWarning, result_warning

from brushwork_core.provenance.credentials.ingredients import Ingredient
from brushwork_core.provenance.credentials.source import SignerSource
from brushwork_core.provenance.facts import PictureFacts
from brushwork_core.settings.credentials_settings import CredentialsSettings

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class SignedFile:
    """A file that was to be signed.

    Args:
        data: The file.
        signed_by: Whose certificate has signed it; None if it is not signed.
        warnings: Why it is not signed.
    """

    data: bytes
    signed_by: SignedBy | None = None
    warnings: tuple[ResultWarning, ...] = ()


class OutputSigner:
    """Signs the pictures of jobs. All threads may use it at the same time.

    Args:
        settings: Who signs, and what happens if that fails. Without a certificate, nothing is signed.
    """

    def __init__(self, settings: CredentialsSettings) -> None:
        self._source = SignerSource(settings)
        self._stays_unsigned = settings.credentials_failure == "unsigned"

    @property
    def is_configured(self) -> bool:
        """Whether there is a certificate in the settings."""
        return self._source.is_configured

    def signed(
        self, data: bytes, media_type: str, facts: PictureFacts, inputs: Mapping[str, Ingredient]
    ) -> SignedFile:
        """Return a picture with a signed manifest.

        Args:
            data: The encoded picture, with all of its other marks.
            media_type: `image/png`, `image/jpeg`, `image/webp` or `image/avif`.
            facts: What the manifest says.
            inputs: The pictures of `facts.inputs` by their SHA-256.

        Raises:
            SigningFailed: It cannot be signed, and the operator wants no unsigned pictures.
        """
        try:
            if (signer := self._source.signer()) is None:
                return SignedFile(data)
            signed = signer.sign(data, media_type, facts, inputs)
        except (SigningFailed, MissingExtra) as error:
            LOGGER.error("A picture cannot be signed: %s", error)
            if not self._stays_unsigned:
                raise
            return SignedFile(data, warnings=(result_warning("not_signed", reason=error.code),))
        return SignedFile(signed, SignedBy.DEVELOPMENT if signer.is_development else SignedBy.OPERATOR)
