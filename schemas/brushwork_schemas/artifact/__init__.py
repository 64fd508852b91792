"""An artifact: an input or output file of a job, named by the SHA-256 of its bytes."""

import base64
import io
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from brushwork_schemas.artifact import mp4
from brushwork_schemas.wording.phrase import said

if TYPE_CHECKING:
    from PIL.Image import Image

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of a file's bytes")]
# Types of request fields that hold a file. A client also accepts a path, bytes or an address there.
Picture = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", json_schema_extra={"contentMediaType": "image/*"})]
Archive = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}$", json_schema_extra={"contentMediaType": "application/zip"})
]


@dataclass(frozen=True)
class TransparentIsBlack:
    """Marks a field whose picture is a mask: its transparent parts count as black, not as white."""


# The type of a request field that holds a mask. A client accepts what it accepts for a picture.
Mask = Annotated[Picture, TransparentIsBlack()]

# Formats of the pictures that brushwork stores, by their names in Pillow.
STORED_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")
# The media type of the videos that brushwork makes.
MP4 = "video/mp4"


class DigitalSource(StrEnum):
    """How a picture came to be, in the words of IPTC's `DigitalSourceType`."""

    GENERATED = "trainedAlgorithmicMedia"
    """A model has made it without a picture."""
    COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
    """A model has changed a picture, or added to it."""
    ENHANCED = "algorithmicallyEnhanced"
    """A model has made it larger or clearer, and added nothing."""

    @property
    def uri(self) -> str:
        """The address that stands for it in metadata."""
        return f"http://cv.iptc.org/newscodes/digitalsourcetype/{self.value}"


class SignedBy(StrEnum):
    """Whose certificate has signed the Content Credentials of a picture."""

    OPERATOR = "operator"
    """The operator's own certificate. Whether readers trust it depends on who has issued it."""
    DEVELOPMENT = "development"
    """A local development certificate, which nobody trusts."""


# Most bytes of one picture that a caller gives.
MAX_PICTURE_BYTES = 25 * 1024 * 1024
# The first bytes of an archive by which `archive_type` recognizes it.
ARCHIVE_HEAD_BYTES = 512
# In a tar file, the magic number follows the header of the first member.
_TAR_MAGIC = slice(257, 262)
_ARCHIVE_MAGIC = {b"PK\x03\x04": "application/zip", b"\x1f\x8b": "application/gzip"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
# The start of a data: URL. Pictures are told apart by their content, so any type of image will do, or none.
_DATA_URL = re.compile(
    r"\s*data:(?:image/[\w.+-]+|application/octet-stream)?(?:;[\w-]+=[^;,]*)*;base64,", re.IGNORECASE
)
_LONGEST_START = 1000
_SPACE = re.compile(rb"\s+")
# base64url of RFC 4648, as JSON Web Tokens have it.
_STANDARD = bytes.maketrans(b"-_", b"+/")
# Base64 has 4 letters for 3 bytes; half as much again is left for line breaks and percent-encoded signs.
_LONGEST_DATA_URL = MAX_PICTURE_BYTES * 4 // 3 * 3 // 2


def is_sha256(name: str) -> bool:
    """Return whether `name` has the form of an artifact's name: 64 hexadecimal digits in lower case."""
    return _SHA256.fullmatch(name) is not None


def is_data_url(given: str) -> bool:
    """Return whether `given` is a `data:` URL (RFC 2397) of a picture in base64."""
    return _DATA_URL.match(given[:_LONGEST_START]) is not None


def data_url_content(url: str) -> bytes:
    """Return the bytes in a `data:` URL, which is written as programs and people write it.

    Line breaks and spaces are skipped. The alphabet may be the standard one or base64url, percent-encoded or
    not. Padding may be missing.

    Args:
        url: A URL of which `is_data_url` is true.

    Raises:
        ValueError: The rest is not base64, or is much longer than a picture may be. The message is a clause.
    """
    start = _DATA_URL.match(url[:_LONGEST_START])
    if len(url) > _LONGEST_DATA_URL:
        raise ValueError(said("the data: URL has more than {limit} bytes", limit=MAX_PICTURE_BYTES))
    try:
        content = url[start.end() if start else 0 :].encode("ascii")
        if b"%" in content:
            content = unquote_to_bytes(content)
        letters = _SPACE.sub(b"", content).translate(_STANDARD).rstrip(b"=")
        return base64.b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
    # Covers binascii.Error, and the error for characters that are not ASCII.
    except ValueError as error:
        raise ValueError(said("the data: URL is not base64: {error}", error=str(error))) from None


def archive_type(head: bytes) -> str | None:
    """Return the media type of the archive that begins with these bytes; None if it is not a zip or tar.

    Args:
        head: The first `ARCHIVE_HEAD_BYTES` of the file, or all bytes of a shorter file.
    """
    if head[_TAR_MAGIC] == b"ustar":
        return "application/x-tar"
    return next((kind for magic, kind in _ARCHIVE_MAGIC.items() if head.startswith(magic)), None)


class ByteSource(Protocol):
    """A source of artifacts, such as the artifact store or a client."""

    def get(self, sha256: str) -> bytes:
        """Return the bytes of an artifact.

        Args:
            sha256: Name of the artifact.

        Raises:
            ArtifactMissing: No file has this name.
        """
        ...


class Artifact(BaseModel):
    """A stored file. Its bytes are fetched on demand, through the client that returned it."""

    model_config = ConfigDict(frozen=True)

    sha256: Sha256
    media_type: str
    size_bytes: int
    width: int = Field(0, description="Pixels; 0 if the file is neither a picture nor a video.")
    height: int = Field(0, description="Pixels; 0 if the file is neither a picture nor a video.")
    pixels_sha256: Sha256 | None = Field(
        None,
        description="For a picture or video of a result: SHA-256 of its pixels, as they were handed to the "
        "encoder. Equal pixels have equal values in all formats, with any metadata and signature.",
    )
    unsigned_sha256: Sha256 | None = Field(
        None,
        description="For a picture or video of a result: SHA-256 of its file before it was signed; the same "
        "as `sha256` if it was not.",
    )
    signed_by: SignedBy | None = Field(
        None,
        description="For a picture or video of a result: whose certificate has signed its Content "
        "Credentials. Nobody trusts `development`. Null: it is not signed.",
    )
    _source: ByteSource | None = PrivateAttr(default=None)
    _credentials_file: "Artifact | None" = PrivateAttr(default=None)

    @property
    def credentials_file(self) -> "Artifact | None":
        """The file with the credentials that an input picture had, where it was just handed in."""
        return self._credentials_file

    def bind_credentials(self, file: "Artifact") -> None:
        """Set the file with the credentials that this picture had when it was handed in."""
        self._credentials_file = file

    def bind(self, source: ByteSource) -> None:
        """Set the source from which `bytes`, `save` and `pil` read."""
        self._source = source

    def bytes(self) -> bytes:
        """Return the content of the file."""
        if self._source is None:
            raise RuntimeError("This artifact cannot be read, because no client returned it.")
        return self._source.get(self.sha256)

    def save(self, path: str | Path) -> Path:
        """Write the file to `path`, and return that path."""
        target = Path(path)
        target.write_bytes(self.bytes())
        return target

    def pil(self) -> "Image":
        """Decode the picture: RGB, or RGBA for an upload with transparency.

        A mask of a segmentation is in palette mode, where a pixel is the index of a class.

        Raises:
            ValueError: The file is not a picture.
        """
        from PIL import Image

        if not self.media_type.startswith("image/"):
            raise ValueError(said("a {media_type} is not a picture", media_type=self.media_type))

        picture = Image.open(io.BytesIO(self.bytes()), formats=STORED_FORMATS)
        picture.load()
        return picture


def name_of(artifact: Artifact | str) -> str:
    """Return the name of an artifact that is given as such or by its name."""
    return artifact.sha256 if isinstance(artifact, Artifact) else artifact


def describe(data: bytes, sha256: str) -> Artifact:
    """Return the artifact of an encoded picture or video.

    Args:
        data: The file: PNG, JPEG, WebP, AVIF or MP4.
        sha256: Its name in the store.

    Raises:
        ValueError: The file is none of these.
    """
    if mp4.is_mp4(data[:12]):
        head = mp4.video_head(data)
        return Artifact(
            sha256=sha256, media_type=MP4, size_bytes=len(data), width=head.width, height=head.height
        )
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=STORED_FORMATS) as picture:
        width, height = picture.size
        media_type = Image.MIME[picture.format or "PNG"]
    return Artifact(sha256=sha256, media_type=media_type, size_bytes=len(data), width=width, height=height)


def artifacts_within(value: Any) -> list[Artifact]:
    """Return all artifacts inside a result, in the order of its fields; those of its explanation last."""
    if isinstance(value, Artifact):
        return [value]
    if isinstance(value, BaseModel):
        # Callers and policies count the files: the first is the main one, with and without an explanation.
        names = sorted(type(value).model_fields, key="explanation".__eq__)
        return [found for name in names for found in artifacts_within(getattr(value, name))]
    if isinstance(value, tuple):
        return [found for item in value for found in artifacts_within(item)]
    return []
