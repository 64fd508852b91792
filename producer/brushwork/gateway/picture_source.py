"""Where a picture that a caller names comes from; by HTTP never a path, for that would be this machine's."""

import base64
import binascii
from enum import Enum
from typing import Any

from brushwork_schemas.errors import FileNotFound, InvalidImage
from brushwork_schemas.tenant_files import TenantFiles, is_name

from brushwork.gateway.access import Principal

DATA_TYPES = ("image/png", "image/jpeg", "image/webp")
_ADDRESSES = ("http://", "https://")
_PREFIXES = tuple(f"data:{media_type};base64," for media_type in DATA_TYPES)
HINT = (
    "Give the SHA-256 of a file that you have brought or that a job of yours made, "
    "or the picture itself as data:image/png;base64,..."
)


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
            if is_name(given):
                return cls.STORE
            if given.startswith(_PREFIXES):
                return cls.DATA
            if given[:8].lower().startswith(_ADDRESSES):
                return cls.ADDRESS
        return cls.NOWHERE


def resolved(given: Any, files: TenantFiles, principal: Principal) -> Any:
    """What the client is to be given for it.

    Raises:
        InvalidImage: It names no picture, or none that this caller may see.
    """
    source = PictureSource.of(given)
    if source is PictureSource.NOWHERE:
        raise InvalidImage("image: this names no picture.", field="image", hint=HINT)
    if source is PictureSource.DATA:
        return given if isinstance(given, bytes) else _decoded(given)
    if source is PictureSource.STORE:
        try:
            return files.get(given, principal.tenant).sha256
        except FileNotFound as error:
            raise InvalidImage(f"image: {error.message}", field="image", hint=HINT) from None
    # Whether addresses are fetched at all, and which, the client decides.
    return given


def _decoded(address: str) -> bytes:
    try:
        return base64.b64decode(address.partition(",")[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidImage(
            f"image: the data address can't be read: {error}.", field="image", hint=HINT
        ) from None
