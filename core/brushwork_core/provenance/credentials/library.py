"""The library c2pa-python, told never to open a connection."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from brushwork_schemas.errors import MissingExtra
from brushwork_schemas.wording.phrase import said

# The start of every manifest store, in whatever file: a box of JUMBF with the type of C2PA (ISO 19566-5).
STORE_MARK = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x008\x9bq"
# Of all manifests of a file together, when they are unpacked.
MOST_MANIFEST_MB = 16


def is_installed() -> bool:
    """Return whether c2pa-python is installed."""
    return find_spec("c2pa") is not None


def may_carry(data: bytes) -> bool:
    """Return whether a file may have Content Credentials in it. It has none if this is false."""
    return STORE_MARK in data


def missing(package: str) -> MissingExtra:
    """Return the error for a package that is not installed."""
    return MissingExtra(
        said("Content Credentials need {package}, which is not installed here.", package=package),
        hint="Install it: pip install 'brushwork[credentials]'",
    )


def library() -> ModuleType:
    """Return the library.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import c2pa
    except ImportError as error:
        raise missing("c2pa-python") from error
    found: ModuleType = c2pa
    return found


@lru_cache(maxsize=16)
def context(trusted: str = "", hosts: Sequence[str] = ()) -> Any:
    """Return the library's settings for reading and signing. They are shared by all threads.

    Args:
        trusted: Certificates of trusted authorities, as PEM.
        hosts: Those that may be asked for a timestamp.

    Raises:
        MissingExtra: The library is not installed.
    """
    found = library()
    return found.Context.from_dict(
        {
            "version": 1,
            "core": {
                "allowed_network_hosts": list(hosts),
                "max_decompressed_manifest_size_in_mb": MOST_MANIFEST_MB,
            },
            "trust": {"user_anchors": trusted} if trusted else {},
            "verify": {
                "remote_manifest_fetch": False,
                "ocsp_fetch": False,
                "verify_trust": True,
                # Whoever doubts a signature reads the file; each output would be hashed twice.
                "verify_after_sign": False,
            },
            # A thumbnail costs more than all the rest, and it would show what was cut away later.
            "builder": {"thumbnail": {"enabled": False}},
        }
    )
