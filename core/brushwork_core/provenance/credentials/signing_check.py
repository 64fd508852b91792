"""Sign a small picture as workers do, and read it again."""

import io
from dataclasses import dataclass
from datetime import datetime

from brushwork_schemas.artifact import DigitalSource
from brushwork_schemas.errors import CertificateUnusable, SigningFailed
from brushwork_schemas.wording.phrase import said
from PIL import Image

from brushwork_core.provenance.credentials.reader import read_credentials
from brushwork_core.provenance.credentials.report import CredentialsState
from brushwork_core.provenance.credentials.source import SignerSource, trusted_pem
from brushwork_core.provenance.facts import PictureFacts
from brushwork_core.settings.credentials_settings import CredentialsSettings

_FACTS = PictureFacts(DigitalSource.GENERATED, "check", "none", "none", "check")


@dataclass(frozen=True)
class SigningCheck:
    """A certificate that signs.

    Args:
        common_name: Its name.
        issuer: Name of who has issued it.
        not_after: Until when it is valid, UTC.
        days_left: For how many days that is.
        is_development: Whether it is a development certificate.
        is_trusted: Whether a trusted authority of the settings has issued it.
    """

    common_name: str
    issuer: str
    not_after: datetime
    days_left: float
    is_development: bool
    is_trusted: bool


def check_signing(settings: CredentialsSettings) -> SigningCheck:
    """Sign a small picture, read it again, and return what has signed.

    Args:
        settings: Who signs, and who is trusted.

    Raises:
        CertificateUnusable: There is no certificate, or it cannot sign.
        SigningFailed: The picture cannot be signed, or its signature does not hold.
        MissingExtra: c2pa-python or cryptography is not installed.
    """
    signer = SignerSource(settings).signer()
    if signer is None:
        raise CertificateUnusable(
            said("There is no certificate chain."),
            field="credentials_chain",
            hint="Set BRUSHWORK_CREDENTIALS_CHAIN, or run brushwork provenance init.",
        )
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    signed = signer.sign(buffer.getvalue(), "image/png", _FACTS)
    report = read_credentials(signed, "image/png", trusted_pem(settings))
    if not report.state.is_intact:
        raise SigningFailed(
            said("The signature does not hold: {problems}.", problems=", ".join(report.problems)),
            hint="Readers refuse the certificate. See docs/provenance.md for what C2PA asks of it.",
        )
    facts = signer.facts
    return SigningCheck(
        facts.common_name,
        facts.issuer,
        facts.not_after,
        facts.days_left(),
        facts.is_development,
        report.state is CredentialsState.VALID,
    )
