"""The development certificate of `brushwork up`."""

from pathlib import Path

from brushwork_core.provenance.credentials.development import write_development_identity
from brushwork_core.provenance.credentials.library import is_installed
from brushwork_core.provenance.credentials.source import identity_of_files
from brushwork_core.settings.credentials_settings import CHAIN_FILE, FOLDER, KEY_FILE
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError

RENEWED_DAYS = 7


def prepare(data: Path, settings: Settings) -> str:
    """Make or renew the development certificate below the data folder, and say what signs pictures.

    Args:
        data: The data folder.
        settings: Settings of this process. A certificate in them is used instead.
    """
    if "credentials_chain" in settings.model_fields_set or settings.credentials_chain_pem is not None:
        return "Pictures are signed with the certificate of the settings"
    if not is_installed():
        return "Pictures are not signed: c2pa-python is not installed (pip install 'brushwork[credentials]')"
    chain, key = data / FOLDER / CHAIN_FILE, data / FOLDER / KEY_FILE
    if not _is_good(chain, key):
        write_development_identity(data)
    return f"Pictures are signed with a development certificate, which nobody trusts: {chain}"


def _is_good(chain: Path, key: Path) -> bool:
    try:
        return identity_of_files(chain, key).expect_usable().days_left() > RENEWED_DAYS
    except BrushworkError:
        return False
