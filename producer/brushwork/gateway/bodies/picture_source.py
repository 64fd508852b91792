"""Where a file that a caller names comes from; by HTTP never a path, for that would be this machine's."""

import base64
import binascii
from enum import Enum
from typing import Any

from brushwork_core.files.tenant_files import TenantFiles
from brushwork_schemas.artifact import is_sha256
from brushwork_schemas.errors import FileNotFound, InvalidDataset, InvalidImage

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.media_types import PICTURES

_ADDRESSES = ("http://", "https://")
_PREFIXES = tuple(f"data:{media_type};base64," for media_type in PICTURES)
HINT = (
    "Give the SHA-256 of a file that you have brought or that a job of yours made, "
    "or the picture itself as data:image/png;base64,..."
)

DATASET_HINT = "Give the SHA-256 of a zip or tar that you have brought with POST /v1/files, or a form's file."


class PictureSource(Enum):
    """Where a picture comes from."""

    STORE = "store"
    DATA = "data"
    ADDRESS = "address"

    NOWHERE = "nowhere"

    @classmethod
    def of(cls, given: Any) -> "PictureSource":
        """The source that `given` names."""
        if isinstance(given, bytes):
            return cls.DATA
        if isinstance(given, str):
            if is_sha256(given):
                return cls.STORE
            if given.startswith(_PREFIXES):
                return cls.DATA
            if given[:8].lower().startswith(_ADDRESSES):
                return cls.ADDRESS
        return cls.NOWHERE


def resolved(given: Any, field: str, files: TenantFiles, principal: Principal) -> Any:
    """What the client is to be given for the picture of that field.

    Raises:
        InvalidImage: It names no picture, or none that this caller may see.
    """
    source = PictureSource.of(given)
    if source is PictureSource.NOWHERE:
        raise InvalidImage(f"{field}: this names no picture.", field=field, hint=HINT)
    if source is PictureSource.DATA:
        return given if isinstance(given, bytes) else _decoded(given, field)
    if source is PictureSource.STORE:
        try:
            return files.get(given, principal.tenant).sha256
        except FileNotFound as error:
            raise InvalidImage(f"{field}: {error.message}", field=field, hint=HINT) from None
    # Whether addresses are fetched at all, and which, the client decides.
    return given


def resolved_dataset(given: Any, field: str, files: TenantFiles, principal: Principal) -> Any:
    """What the client is to be given for the archive of that field.

    Raises:
        InvalidDataset: It names none, or none that this caller may see.
    """
    if isinstance(given, bytes) or hasattr(given, "read"):
        return given
    if not isinstance(given, str) or not is_sha256(given):
        raise InvalidDataset(f"{field}: this names no archive.", field=field, hint=DATASET_HINT)
    try:
        return files.get(given, principal.tenant).sha256
    except FileNotFound as error:
        raise InvalidDataset(f"{field}: {error.message}", field=field, hint=DATASET_HINT) from None


def _decoded(address: str, field: str) -> bytes:
    try:
        return base64.b64decode(address.partition(",")[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidImage(
            f"{field}: the data address can't be read: {error}.", field=field, hint=HINT
        ) from None
