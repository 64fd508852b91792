"""The sources of a file in a request. A path is none: it would name a file of the gateway's machine."""

from enum import Enum
from typing import Any

from brushwork_core.files.tenant_files import TenantFiles
from brushwork_schemas.artifact import data_url_content, is_data_url, is_sha256
from brushwork_schemas.errors import FileNotFound, InvalidDataset, InvalidImage
from brushwork_schemas.wording.phrase import said

from brushwork.gateway.admission.access import Principal

_ADDRESSES = ("http://", "https://")
HINT = (
    "Send the SHA-256 of a file that you uploaded or that your job made, "
    "or the picture itself as data:image/png;base64,..."
)

DATASET_HINT = (
    "Send the SHA-256 of a zip or tar file that you uploaded with POST /v1/files, or the file in a form."
)


class PictureSource(Enum):
    """The source of a picture."""

    STORE = "store"
    DATA = "data"
    ADDRESS = "address"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, given: Any) -> "PictureSource":
        """Return the source that a value names."""
        if isinstance(given, bytes):
            return cls.DATA
        if isinstance(given, str):
            if is_sha256(given):
                return cls.STORE
            if is_data_url(given):
                return cls.DATA
            if given[:8].lower().startswith(_ADDRESSES):
                return cls.ADDRESS
        return cls.UNKNOWN


def resolved(given: Any, field: str, files: TenantFiles, principal: Principal) -> Any:
    """Return the picture of a field as a direct client takes it: bytes, a SHA-256 or an address.

    Args:
        given: Value of the field.
        field: Name of the field.
        files: Knows which tenant may see which file.
        principal: Who makes the request.

    Raises:
        InvalidImage: The value names no picture, or a file that the principal may not see.
    """
    source = PictureSource.of(given)
    if source is PictureSource.UNKNOWN:
        raise InvalidImage(said("{field}: the value is not a picture.", field=field), field=field, hint=HINT)
    if source is PictureSource.DATA:
        return given if isinstance(given, bytes) else _content(given, field)
    if source is PictureSource.STORE:
        try:
            return files.get(given, principal.tenant).sha256
        except FileNotFound as error:
            raise InvalidImage(
                said("{field}: {message}", field=field, message=error.message), field=field, hint=HINT
            ) from None
    # The client decides whether it fetches this address.
    return given


def resolved_dataset(given: Any, field: str, files: TenantFiles, principal: Principal) -> Any:
    """Return the archive of a field as a direct client takes it: bytes, a file or a SHA-256.

    Args:
        given: Value of the field.
        field: Name of the field.
        files: Knows which tenant may see which file.
        principal: Who makes the request.

    Raises:
        InvalidDataset: The value names no archive, or a file that the principal may not see.
    """
    if isinstance(given, bytes) or hasattr(given, "read"):
        return given
    if not isinstance(given, str) or not is_sha256(given):
        raise InvalidDataset(
            said("{field}: the value is not an archive.", field=field), field=field, hint=DATASET_HINT
        )
    try:
        return files.get(given, principal.tenant).sha256
    except FileNotFound as error:
        raise InvalidDataset(
            said("{field}: {message}", field=field, message=error.message), field=field, hint=DATASET_HINT
        ) from None


def _content(url: str, field: str) -> bytes:
    try:
        return data_url_content(url)
    except ValueError as error:
        raise InvalidImage(
            said("{field}: {error}.", field=field, error=error), field=field, hint=HINT
        ) from None
