"""What a caller may give as a picture, made into an artifact of the store."""

import io
import re
from pathlib import Path

from brushwork_schemas import pictures
from brushwork_schemas.artifact import Artifact, describe
from brushwork_schemas.artifact_store import ArtifactStore
from brushwork_schemas.errors import ArtifactMissing, InvalidImage
from PIL import UnidentifiedImageError
from PIL.Image import Image

ImageInput = str | Path | bytes | Image | Artifact
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HINT = "Give a path, bytes, a PIL image, an artifact of another job or an http(s) address."


def luggage(given: object) -> str | bytes:
    """What goes to a gateway for a picture: a name that it knows, an address that it may fetch, or the bytes.

    Raises:
        InvalidImage: It is none of them, or can't be read, or is too large; more is for the gateway to say.
    """
    if isinstance(given, Artifact):
        return given.sha256
    if isinstance(given, str) and (_SHA256.fullmatch(given) or _is_address(given)):
        return given
    data = _bytes(given)
    if len(data) > pictures.MAX_BYTES:
        raise InvalidImage(
            f"image: the file has more than {pictures.MAX_BYTES} bytes.", field="image", hint=_HINT
        )
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

    def read(self, given: object) -> Artifact | bytes:
        """What `keep` needs of a picture given in any of the ways; nothing is stored yet.

        Raises:
            InvalidImage: It is none of them, or can't be read, or breaks a limit.
            AddressRefused: It is an address, and those are off or this one is not allowed.
        """
        if isinstance(given, Artifact):
            return self._known(given.sha256)
        if isinstance(given, str) and _SHA256.fullmatch(given):
            return self._known(given)
        data, _ = pictures.cleaned(self._fetched(given))
        return data

    def keep(self, picture: Artifact | bytes) -> Artifact:
        """The artifact for what `read` returned.

        Raises:
            ServiceUnreachable: The store does not take it.
        """
        return picture if isinstance(picture, Artifact) else self._store.put_picture(picture)

    def _known(self, sha256: str) -> Artifact:
        try:
            return describe(self._store.get(sha256), sha256)
        except ArtifactMissing:
            raise InvalidImage(
                f"image: artifact {sha256} is not in this store.", field="image", hint=_HINT
            ) from None
        except UnidentifiedImageError:
            raise InvalidImage(
                f"image: artifact {sha256} is no picture.", field="image", hint=_HINT
            ) from None

    def _fetched(self, given: object) -> bytes:
        if not isinstance(given, str) or not _is_address(given):
            return _bytes(given)
        # Here, for it brings an HTTP client along, which few callers need.
        from brushwork.address import fetch

        return fetch(given, allowed=self._allow_addresses)


def _is_address(given: str) -> bool:
    return given[:8].lower().startswith(("http://", "https://"))


def _bytes(given: object) -> bytes:
    if isinstance(given, bytes | bytearray | memoryview):
        return bytes(given)
    if isinstance(given, str | Path):
        return _read(Path(given))
    if isinstance(given, Image):
        return _encoded(given)
    raise InvalidImage(f"image: a {type(given).__name__} is no picture.", field="image", hint=_HINT)


def _read(path: Path) -> bytes:
    shown = repr(str(path)[:200])
    try:
        if not path.is_file() and path.exists():
            raise InvalidImage(f"image: {shown} is no file.", field="image", hint=_HINT)
        with path.open("rb") as file:
            # One more than allowed, so that `pictures` sees that it is too large.
            return file.read(pictures.MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidImage(f"image: {shown} can't be read: {reason}.", field="image", hint=_HINT) from error


def _encoded(picture: Image) -> bytes:
    try:
        # PNG has no place for CMYK, HSV and the like; what it can hold, `pictures` makes plain.
        turned = pictures.upright(picture)
        kept = turned if turned.mode in _PNG_MODES else turned.convert("RGB")
        buffer = io.BytesIO()
        kept.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()
    # A picture that PIL opened and did not read yet may turn out damaged here, in many ways.
    except Exception as error:
        raise InvalidImage(
            f"image: the PIL image can't be used: {error}.", field="image", hint=_HINT
        ) from error
