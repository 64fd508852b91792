"""The signer that the settings describe. Files are read again when they change: certificates are renewed."""

import os
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from brushwork_schemas.errors import CertificateUnusable
from brushwork_schemas.wording.phrase import private, said

from brushwork_core.provenance.credentials.identity import SigningIdentity
from brushwork_core.provenance.credentials.signer import Signer
from brushwork_core.settings.credentials_settings import CredentialsSettings

# Chain and key are two files: whoever renews them replaces one after the other.
SETTLES_S = 1.0
_LOOK_S = 0.02
# By name, when it was changed and how large it is.
_Stamp = tuple[tuple[str, int, int], ...]


class SignerSource:
    """Gives the signer of the settings. All threads may use it at the same time.

    Args:
        settings: Settings of this process.
    """

    def __init__(self, settings: CredentialsSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._made: tuple[_Stamp, Signer] | None = None
        self._unusable: _Stamp | None = None

    @property
    def is_configured(self) -> bool:
        """Whether pictures are to be signed."""
        settings = self._settings
        return settings.credentials_chain is not None or settings.credentials_chain_pem is not None

    def signer(self) -> Signer | None:
        """Return the signer; None if there is none in the settings.

        Raises:
            CertificateUnusable: A file is missing, or the certificate or its key cannot sign.
            MissingExtra: c2pa-python or cryptography is not installed.
        """
        if not self.is_configured:
            return None
        with self._lock:
            if self._made is None or self._made[0] != self._stamp():
                self._made = self._read()
            return self._made[1]

    def _read(self) -> tuple[_Stamp, Signer]:
        """Read files that have changed. Files that do not belong together may be half of a renewal."""
        # For the same files, only the first caller waits.
        is_new = self._made is not None and self._stamp() != self._unusable
        bound = time.monotonic() + (SETTLES_S if is_new else 0.0)
        while True:
            stamp = self._stamp()
            try:
                return stamp, Signer(self.identity(), self._settings.credentials_timestamps)
            except CertificateUnusable:
                self._unusable = stamp
                if time.monotonic() >= bound:
                    raise
            time.sleep(_LOOK_S)

    def identity(self) -> SigningIdentity:
        """Read the chain and the key.

        Raises:
            CertificateUnusable: A file is missing, or there is no key.
        """
        settings = self._settings
        chain = _text_of(settings.credentials_chain_pem, settings.credentials_chain, "credentials_chain")
        if chain is None:
            raise CertificateUnusable(
                said("There is no certificate chain."),
                field="credentials_chain",
                hint="Set BRUSHWORK_CREDENTIALS_CHAIN, or run brushwork provenance init.",
            )
        if settings.credentials_callback is not None:
            return SigningIdentity(chain, sign=_function(settings.credentials_callback))
        secret = settings.credentials_key_pem
        given = None if secret is None else secret.get_secret_value()
        key = _text_of(given, settings.credentials_key, "credentials_key")
        if key is None:
            raise CertificateUnusable(
                said("There is a certificate chain, and no key that signs with it."),
                field="credentials_key",
                hint="Set BRUSHWORK_CREDENTIALS_KEY, BRUSHWORK_CREDENTIALS_KEY_PEM or "
                "BRUSHWORK_CREDENTIALS_CALLBACK.",
            )
        return SigningIdentity(chain, key)

    def _stamp(self) -> _Stamp:
        return tuple(
            (str(file), found.st_mtime_ns, found.st_size)
            for file in (self._settings.credentials_chain, self._settings.credentials_key)
            if file is not None and (found := _found(file)) is not None
        )


def identity_of_files(chain: Path, key: Path) -> SigningIdentity:
    """Read a certificate chain and its key.

    Raises:
        CertificateUnusable: A file cannot be read.
    """
    return SignerSource(CredentialsSettings(credentials_chain=chain, credentials_key=key)).identity()


def trusted_pem(settings: CredentialsSettings) -> str:
    """Return the certificates of the authorities that are trusted, as PEM; empty if none is.

    Raises:
        CertificateUnusable: The file is missing.
    """
    return _text_of(None, settings.credentials_trust, "credentials_trust") or ""


def _found(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None


def _text_of(given: str | None, file: Path | None, field: str) -> str | None:
    if given is not None:
        # An environment file has one line for each value.
        return given.replace("\\n", "\n")
    if file is None:
        return None
    try:
        return file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise CertificateUnusable(
            said("{field}: the file cannot be read: {error}.", field=field, error=private(error)),
            field=field,
            hint="Restore the file, or change the setting.",
        ) from error


@lru_cache(maxsize=8)
def _function(path: str) -> Callable[[bytes], bytes]:
    module, _, name = path.partition(":")
    try:
        found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    # A module may raise anything while it is imported.
    except Exception as error:
        raise CertificateUnusable(
            said(
                "credentials_callback: {path} cannot be imported: {error}.", path=path, error=private(error)
            ),
            field="credentials_callback",
            hint="Install its package where the worker runs.",
        ) from error
    if not callable(found):
        raise CertificateUnusable(
            said("credentials_callback: {path} is not a function.", path=path), field="credentials_callback"
        )
    return found
