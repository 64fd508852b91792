"""`brushwork provenance init` and `check`: the certificate that signs pictures."""

from typing import Annotated

import typer
from brushwork_core.provenance.credentials.development import write_development_identity
from brushwork_core.provenance.credentials.signing_check import SigningCheck, check_signing
from brushwork_core.settings.environment import data_dir
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said

from brushwork.cli.terminal import DATA, NEWS, print_json


def init(
    renew: Annotated[
        bool, typer.Option("--renew", help="Replace the development certificate that is there.")
    ] = False,
) -> None:
    """Make a development certificate in the data folder, and check it. Nobody trusts it.

    For a certificate of an authority, set BRUSHWORK_CREDENTIALS_CHAIN and BRUSHWORK_CREDENTIALS_KEY instead.
    """
    settings = Settings.load()
    is_own = "credentials_chain" in settings.model_fields_set or settings.credentials_chain_pem is not None
    if is_own:
        raise InvalidRequest(
            said("credentials_chain: a certificate is set already."),
            field="credentials_chain",
            hint="Check it with brushwork provenance check, or unset it.",
        )
    if not settings.credentials_development:
        raise InvalidRequest(
            said("credentials_development: development certificates are switched off."),
            field="credentials_development",
            hint="Set BRUSHWORK_CREDENTIALS_DEVELOPMENT=true, or set a certificate of an authority.",
        )
    if settings.credentials_chain is not None and not renew:
        NEWS.print(f"{settings.credentials_chain} is there already.", soft_wrap=True)
    else:
        chain, key = write_development_identity(data_dir())
        NEWS.print(f"Written: {chain} and {key}", soft_wrap=True)
        settings = Settings.load()
    _print(check_signing(settings.credentials))


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Sign a small picture with the certificate of the settings, and read it again."""
    found = check_signing(Settings.load().credentials)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: SigningCheck) -> None:
    DATA.print(f"Pictures are signed by {found.common_name!r}, issued by {found.issuer!r}.", soft_wrap=True)
    DATA.print(f"Valid until {found.not_after.date().isoformat()}, for {found.days_left:.0f} more days.")
    if found.is_development:
        DATA.print("This is a development certificate: no reader trusts it.")
    elif not found.is_trusted:
        DATA.print("BRUSHWORK_CREDENTIALS_TRUST does not name its authority, so it is not trusted here.")
