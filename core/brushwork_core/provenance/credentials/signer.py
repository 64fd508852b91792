"""Sign pictures: the facts become a manifest of C2PA, which is signed into the file."""

import io
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from brushwork_schemas.errors import BrushworkError, SigningFailed
from brushwork_schemas.wording.phrase import private, said

from brushwork_core.provenance.credentials.identity import CertificateFacts, SigningIdentity
from brushwork_core.provenance.credentials.ingredients import Ingredient, add_files, named
from brushwork_core.provenance.credentials.library import context, library
from brushwork_core.provenance.credentials.manifest import definition
from brushwork_core.provenance.facts import PictureFacts

LOGGER = logging.getLogger(__name__)
_NONE: Mapping[str, Ingredient] = {}


class Signer:
    """Signs pictures. All threads may use it at the same time.

    Args:
        identity: Who signs.
        timestamps: http(s) address of a timestamp authority (RFC 3161), which is then asked for each
            signature; None: no connection is ever opened.

    Raises:
        CertificateUnusable: The certificate or its key cannot sign.
        MissingExtra: c2pa-python or cryptography is not installed.
    """

    def __init__(self, identity: SigningIdentity, timestamps: str | None = None) -> None:
        self.facts: CertificateFacts = identity.expect_usable()
        self._identity, self._timestamps = identity, timestamps
        hosts = (urlsplit(timestamps).netloc,) if timestamps else ()
        self._context = context("", hosts)

    @property
    def is_development(self) -> bool:
        """Whether a development certificate signs, which nobody trusts."""
        return self.facts.is_development

    def expect_ready(self) -> None:
        """Check the time of the certificate again: it may expire while a worker runs.

        Raises:
            CertificateUnusable: It has expired.
        """
        self.facts.expect_valid()

    def sign(
        self,
        data: bytes,
        media_type: str,
        facts: PictureFacts,
        inputs: Mapping[str, Ingredient] = _NONE,
    ) -> bytes:
        """Return a picture with a signed manifest.

        Args:
            data: The encoded picture, with all of its other marks.
            media_type: `image/png`, `image/jpeg`, `image/webp` or `image/avif`.
            facts: What the manifest says.
            inputs: The pictures of `facts.inputs` by their SHA-256. One that is missing is named without its
                own history.

        Raises:
            SigningFailed: It cannot be signed. The certificate may have expired meanwhile.
        """
        self.expect_ready()
        failures: list[Exception] = []
        signed = io.BytesIO()
        found = library()
        try:
            with (
                found.Builder(definition(media_type, facts, inputs), context=self._context) as builder,
                self._signature(failures) as signature,
            ):
                add_files(builder, list(named(facts, inputs)))
                builder.sign(signature, media_type, io.BytesIO(data), signed)
        except (found.C2paError, ValueError) as error:
            raise _failed(failures[0] if failures else error) from error
        return signed.getvalue()

    def _signature(self, failures: list[Exception]) -> Any:
        found, identity = library(), self._identity
        if identity.sign is None:
            return found.Signer.from_info(
                found.C2paSignerInfo(
                    self.facts.algorithm.encode(),
                    identity.chain_pem.encode(),
                    (identity.key_pem or "").encode(),
                    self._timestamps,
                )
            )
        given = identity.sign

        def sign(content: bytes) -> bytes:
            try:
                signature = given(content)
                identity.expect_signature(signature, content)
            # The library swallows whatever a callback raises.
            except Exception as error:
                failures.append(error)
                raise
            return signature

        algorithm = getattr(found.C2paSigningAlg, self.facts.algorithm.upper())
        return found.Signer.from_callback(sign, algorithm, identity.chain_pem, self._timestamps)


def _failed(error: Exception) -> SigningFailed:
    if isinstance(error, SigningFailed):
        return error
    reason = error.message if isinstance(error, BrushworkError) else str(error)
    return SigningFailed(
        said("The picture cannot be signed: {reason}.", reason=private(reason)),
        hint="Run brushwork provenance check where the worker runs.",
    )
