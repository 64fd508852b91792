"""The development certificate of `brushwork up`."""

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from brushwork_core.provenance.credentials.development import write_development_identity
from brushwork_core.provenance.credentials.library import is_installed
from brushwork_core.provenance.credentials.source import identity_of_files
from brushwork_core.settings.credentials_settings import CHAIN_FILE, FOLDER, KEY_FILE
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError

# Before `doctor` and the alert of an expiry warn.
RENEWED_DAYS = 31
LOOK_S = 3600.0


def prepare(data: Path, settings: Settings) -> str:
    """Make or renew the development certificate below the data folder, and say what signs pictures.

    Args:
        data: The data folder.
        settings: Settings of this process. A certificate in them is used instead.

    Raises:
        OSError: The files cannot be written.
    """
    if _is_set(settings):
        return "Pictures are signed with the certificate of the settings"
    if not settings.credentials_development:
        return "Pictures are not signed: BRUSHWORK_CREDENTIALS_DEVELOPMENT is off, and no certificate is set"
    if not is_installed():
        return "Pictures are not signed: c2pa-python is not installed (pip install 'brushwork[credentials]')"
    chain = _renewed(data)
    return f"Pictures are signed with a development certificate, which nobody trusts: {chain}"


def keep_renewed(
    data: Path, settings: Settings, say: Callable[[str], None], stopped: Event, look_s: float = LOOK_S
) -> Thread | None:
    """Renew the development certificate in time, as long as the stack runs. Workers read the new files.

    Args:
        data: The data folder.
        settings: Settings of this process. With a certificate in them, nothing is done.
        say: Called with the reason if the files cannot be written.
        stopped: Ends the thread.
        look_s: Seconds between two looks at the certificate.

    Returns:
        The thread; None if there is nothing to renew.
    """
    if _is_set(settings) or not settings.credentials_development or not is_installed():
        return None

    def run() -> None:
        while not stopped.wait(look_s):
            try:
                _renewed(data)
            except OSError as error:
                say(f"The development certificate cannot be renewed: {error}")

    thread = Thread(target=run, name="certificate-renewal", daemon=True)
    thread.start()
    return thread


def _is_set(settings: Settings) -> bool:
    return "credentials_chain" in settings.model_fields_set or settings.credentials_chain_pem is not None


def _renewed(data: Path) -> Path:
    chain, key = data / FOLDER / CHAIN_FILE, data / FOLDER / KEY_FILE
    if not _is_good(chain, key):
        write_development_identity(data)
    return chain


def _is_good(chain: Path, key: Path) -> bool:
    try:
        return identity_of_files(chain, key).expect_usable().days_left() > RENEWED_DAYS
    except BrushworkError:
        return False
