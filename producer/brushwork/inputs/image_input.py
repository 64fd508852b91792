"""What a caller may give as a picture, made into an artifact of the store."""

import io
import re
from pathlib import Path

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.media import pictures
from brushwork_schemas.artifact import Artifact, describe
from brushwork_schemas.errors import ArtifactMissing, InvalidImage
from PIL import UnidentifiedImageError
from PIL.Image import Image

ImageInput = str | Path | bytes | Image | Artifact
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HINT = "Give a path, bytes, a PIL image, an artifact of another job or an http(s) address."


def payload(given: object, field: str = "image") -> str | bytes:
    """What goes to a gateway for a picture: a name that it knows, an address that it may fetch, or the bytes.

    Args:
        given: As for `ImageInputs.read`.
        field: The request's field that an error names.

    Raises:
        InvalidImage: It is none of them, or can't be read, or is too large; more is for the gateway to say.
    """
    if isinstance(given, Artifact):
        return given.sha256
    if isinstance(given, str) and (_SHA256.fullmatch(given) or _is_address(given)):
        return given
    data = _bytes(given, field)
    if len(data) > pictures.MAX_BYTES:
        raise _wrong(field, f"the file has more than {pictures.MAX_BYTES} bytes")
    return data


class ImageInputs:
    """Stores the pictures that callers give.

    Args:
        store: Where they go.
        allow_addresses: Whether http(s) addresses are fetched.
    """

    def __init__(self, store: ArtifactStore, *, allow_addresses: bool = False) -> None:
        self._store = store
        self._allow_addresses = allow_addresses

    def read(self, given: object, field: str = "image") -> Artifact | bytes:
        """What `keep` needs of a picture given in any of the ways; nothing is stored yet.

        Args:
            given: A path, bytes, a PIL image, an artifact or its name, or an http(s) address.
            field: The request's field that an error names.

        Raises:
            InvalidImage: It is none of them, or can't be read, or breaks a limit.
            AddressRefused: It is an address, and those are off or this one is not allowed.
        """
        if isinstance(given, Artifact):
            return self._known(given.sha256, field)
        if isinstance(given, str) and _SHA256.fullmatch(given):
            return self._known(given, field)
        data, _ = pictures.cleaned(self._fetched(given, field), field=field)
        return data

    def keep(self, picture: Artifact | bytes) -> Artifact:
        """The artifact for what `read` returned.

        Raises:
            ServiceUnreachable: The store does not take it.
        """
        return picture if isinstance(picture, Artifact) else self._store.put_picture(picture)

    def _known(self, sha256: str, field: str) -> Artifact:
        try:
            return describe(self._store.get(sha256), sha256)
        except ArtifactMissing:
            raise _wrong(field, f"artifact {sha256} is not in this store") from None
        except UnidentifiedImageError:
            raise _wrong(field, f"artifact {sha256} is no picture") from None

    def _fetched(self, given: object, field: str) -> bytes:
        if not isinstance(given, str) or not _is_address(given):
            return _bytes(given, field)
        # Here, for it brings an HTTP client along, which few callers need.
        from brushwork.inputs.address import fetch

        return fetch(given, allowed=self._allow_addresses, field=field)


def _is_address(given: str) -> bool:
    return given[:8].lower().startswith(("http://", "https://"))


def _bytes(given: object, field: str) -> bytes:
    if isinstance(given, bytes | bytearray | memoryview):
        return bytes(given)
    if isinstance(given, str | Path):
        return _read(Path(given), field)
    if isinstance(given, Image):
        return _encoded(given, field)
    raise _wrong(field, f"a {type(given).__name__} is no picture")


def _read(path: Path, field: str) -> bytes:
    shown = repr(str(path)[:200])
    try:
        if not path.is_file() and path.exists():
            raise _wrong(field, f"{shown} is no file")
        with path.open("rb") as file:
            # One more than allowed, so that `pictures` sees that it is too large.
            return file.read(pictures.MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _wrong(field, f"{shown} can't be read: {reason}") from error


def _encoded(picture: Image, field: str) -> bytes:
    try:
        # PNG has no place for CMYK, HSV and the like; what it can hold, `pictures` makes plain.
        turned = pictures.upright(picture)
        kept = turned if turned.mode in _PNG_MODES else turned.convert("RGB")
        buffer = io.BytesIO()
        kept.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()
    # A picture that PIL opened and did not read yet may turn out damaged here, in many ways.
    except Exception as error:
        raise _wrong(field, f"the PIL image can't be used: {error}") from error


def _wrong(field: str, reason: str) -> InvalidImage:
    return InvalidImage(f"{field}: {reason}.", field=field, hint=_HINT)
