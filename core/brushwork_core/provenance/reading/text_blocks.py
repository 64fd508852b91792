"""The texts in the metadata of a picture: text chunks of PNG, EXIF, comments, IPTC, and XMP."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, IptcImagePlugin, TiffImagePlugin

from brushwork_core.provenance.reading import iptc_iim
from brushwork_core.provenance.reading.extended_xmp import HEADER

LONGEST_TEXT = 2**20
_IMAGE_DESCRIPTION, _MAKE, _MODEL, _SOFTWARE, _EXIF = 0x010E, 0x010F, 0x0110, 0x0131, 0x8769
_USER_COMMENT = 0x9286
_XMP_CHUNK = "XML:com.adobe.xmp"
# As ImageMagick and exiftool write IPTC into a PNG.
_IPTC_PROFILES = ("Raw profile type iptc", "Raw profile type 8bim", "Raw profile type APP13")
_ENCODINGS = {
    b"UNICODE\0": ("utf-16-be", "utf-16-le"),
    b"ASCII\0\0\0": ("utf-8", "latin-1"),
    b"\0\0\0\0\0\0\0\0": ("utf-8", "latin-1"),
}


@dataclass
class TextBlocks:
    """The texts of a file.

    Args:
        chunks: Text chunks of a PNG, by keyword.
        exif: Texts of EXIF fields: `UserComment`, `ImageDescription`, `Make`, `Model` and `Software`.
        comment: The comment of a JPEG or GIF.
        xmp: The XMP packet.
        xmp_parts: The segments of a JPEG that hold parts of a second packet.
        iptc: Texts of IPTC's older form: `Caption`, `Credit`, `OriginatingProgram` and others.
        problems: What can't be read.
    """

    chunks: Mapping[str, str] = field(default_factory=dict)
    exif: Mapping[str, str] = field(default_factory=dict)
    comment: str = ""
    xmp: bytes = b""
    xmp_parts: Sequence[bytes] = ()
    iptc: Mapping[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, picture: Image.Image) -> "TextBlocks":
        """Read the texts of an opened picture. What can't be read is named in `problems`.

        Args:
            picture: A picture whose file is still open, for the chunks after the pixels.
        """
        found = cls()
        found.exif = found._tried("EXIF", lambda: _exif_texts(picture)) or {}
        if picture.format == "PNG":
            # Only this reads the chunks after the pixels.
            found._tried("pixels", picture.load)
            texts = getattr(picture, "text", {})
            found.chunks = {
                str(name): str(text)[:LONGEST_TEXT] for name, text in texts.items() if name != _XMP_CHUNK
            }
        found.comment = _text(picture.info.get("comment"))
        segments: Sequence[tuple[str, bytes]] = getattr(picture, "applist", ())
        found.xmp_parts = [data for name, data in segments if name == "APP1" and data.startswith(HEADER)]
        found.xmp = found._tried("XMP", lambda: _xmp(picture, found.chunks)) or b""
        found.iptc = found._tried("IPTC", lambda: _iptc(picture, segments, found.chunks)) or {}
        return found

    def _tried(self, name: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except MemoryError:
            raise
        # Pillow raises errors of many types for damaged metadata.
        except Exception as error:
            self.problems.append(f"{name}: {type(error).__name__}: {error}"[:200])
            return None


def _xmp(picture: Image.Image, chunks: Mapping[str, str]) -> bytes:
    xmp = picture.info.get("xmp") or picture.info.get(_XMP_CHUNK) or b""
    if not xmp and (profile := chunks.get("Raw profile type xmp")):
        xmp = iptc_iim.of_raw_profile(profile)
    return xmp.encode("utf-8", "replace") if isinstance(xmp, str) else bytes(xmp)


def _iptc(
    picture: Image.Image, segments: Sequence[tuple[str, bytes]], chunks: Mapping[str, str]
) -> Mapping[str, str]:
    if data := iptc_iim.of_segments(data for name, data in segments if name == "APP13"):
        return iptc_iim.fields(data)
    for name in _IPTC_PROFILES:
        if name in chunks:
            return iptc_iim.fields(iptc_iim.of_raw_profile(chunks[name]))
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return {}
    records = IptcImagePlugin.getiptcinfo(picture) or {}
    return iptc_iim.texts_of((number, value) for number, value in records.items() if isinstance(value, bytes))


def _exif_texts(picture: Image.Image) -> dict[str, str]:
    exif = picture.getexif()
    names = {"ImageDescription": _IMAGE_DESCRIPTION, "Make": _MAKE, "Model": _MODEL, "Software": _SOFTWARE}
    texts = {name: _text(exif.get(tag)) for name, tag in names.items()}
    comment = exif.get(_USER_COMMENT) or exif.get_ifd(_EXIF).get(_USER_COMMENT)
    texts["UserComment"] = user_comment(comment) if isinstance(comment, bytes) else _text(comment)
    return {name: text for name, text in texts.items() if text}


def user_comment(data: bytes) -> str:
    """Return the text of EXIF's `UserComment`, whose first eight bytes name its encoding."""
    encodings = _ENCODINGS.get(data[:8])
    if encodings is None:
        return _decoded(data, "utf-8", "latin-1")
    text = data[8 : 8 + 2 * LONGEST_TEXT]
    if encodings[0] != "utf-16-be":
        return _decoded(text, *encodings)
    # The byte order of the file should hold, but programs disagree. Latin text tells by its zeros.
    little = text[1:200:2].count(0) > text[0:200:2].count(0)
    return _decoded(text, *(reversed(encodings) if little else encodings))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return _decoded(value, "utf-8", "latin-1")
    return value[:LONGEST_TEXT].strip("\0 ") if isinstance(value, str) else ""


def _decoded(data: bytes, *encodings: str) -> str:
    for encoding in encodings:
        with suppress(UnicodeDecodeError):
            return data.decode(encoding)[:LONGEST_TEXT].strip("\0 ")
    return ""
