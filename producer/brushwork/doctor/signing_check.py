"""Check the certificate that signs pictures."""

from collections.abc import Iterator

from brushwork_core.provenance.credentials.signing_check import check_signing
from brushwork_core.provenance.credentials.source import SignerSource
from brushwork_core.settings.settings import Settings

from brushwork.doctor.finding import Finding, ok, warn

ABOUT = "credentials"
# Authorities need some days.
SOON_DAYS = 30


def check_credentials(settings: Settings) -> Iterator[Finding]:
    """Sign a small picture, and say how long the certificate is valid."""
    if not SignerSource(settings.credentials).is_configured:
        yield warn(
            ABOUT,
            "There is no certificate, so pictures have no Content Credentials.",
            "Set BRUSHWORK_CREDENTIALS_CHAIN and its key, or run: brushwork provenance init"
            if settings.credentials_development
            else "Set BRUSHWORK_CREDENTIALS_CHAIN and its key: development certificates are switched off.",
        )
        return
    found = check_signing(settings.credentials)
    day = found.not_after.date().isoformat()
    told = f"{found.common_name!r} signs pictures until {day}."
    if found.days_left < SOON_DAYS:
        hint = "Renew it: brushwork provenance init --renew" if found.is_development else "Get a new one."
        yield warn(ABOUT, f"The certificate expires in {found.days_left:.0f} days. {told}", hint)
    elif found.is_development:
        yield warn(
            ABOUT,
            told,
            "Nobody trusts a development certificate. Set one of an authority: docs/provenance.md",
        )
    else:
        yield ok(ABOUT, told)
