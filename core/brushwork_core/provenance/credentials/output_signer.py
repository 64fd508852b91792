"""Signs the pictures of jobs as the operator has set it, also when signing fails."""

import logging
import threading
from collections import Counter
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
_OUTCOMES = ("signed", "unsigned", "failed")


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
        self._counts = Counter[str]()
        self._lock = threading.Lock()

    @property
    def is_configured(self) -> bool:
        """Whether there is a certificate in the settings."""
        return self._source.is_configured

    def counts(self) -> dict[str, int]:
        """Return how many pictures were signed, stored unsigned because signing failed, and failed."""
        with self._lock:
            return {outcome: self._counts[outcome] for outcome in _OUTCOMES}

    def expires_at(self) -> float:
        """Return when the certificate expires, in seconds since 1970; 0 if there is none.

        Raises:
            CertificateUnusable: It cannot be used.
            MissingExtra: A package is not installed.
        """
        signer = self._source.signer()
        return 0.0 if signer is None else signer.facts.not_after.timestamp()

    def expect_ready(self) -> None:
        """Raise an error if the certificate cannot be used, unless pictures are stored unsigned then.

        Raises:
            CertificateUnusable: It has expired, or it or its key is missing or damaged.
            MissingExtra: A package is not installed.
        """
        if self._stays_unsigned:
            return
        try:
            if (signer := self._source.signer()) is not None:
                signer.expect_ready()
        except (SigningFailed, MissingExtra) as error:
            LOGGER.error("Pictures cannot be signed: %s", error)
            self._count("failed")
            raise

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
            self._count("unsigned" if self._stays_unsigned else "failed")
            if not self._stays_unsigned:
                raise
            return SignedFile(data, warnings=(result_warning("not_signed", reason=error.code),))
        self._count("signed")
        return SignedFile(signed, SignedBy.DEVELOPMENT if signer.is_development else SignedBy.OPERATOR)

    def _count(self, outcome: str) -> None:
        with self._lock:
            self._counts[outcome] += 1
