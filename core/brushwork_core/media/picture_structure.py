"""The parts of a picture's file: counted before a decoder sees them, and left out if they hold no pixels.

Texts, comments and the like are dropped in the end, so they are skipped here unread: damaged or very long
ones do not make a picture unusable. What decoding costs is limited, because a small file can say how often a
decoder passes over the pixels, or how much it unpacks.
"""

from brushwork_core.media.structure.boxes import check_boxes
from brushwork_core.media.structure.jpeg import MAX_SCANS, lean_jpeg
from brushwork_core.media.structure.jpeg import SIGNATURE as JPEG
from brushwork_core.media.structure.limits import MAX_PARTS, MAX_PROFILE_BYTES, TooCostly
from brushwork_core.media.structure.png import SIGNATURE as PNG
from brushwork_core.media.structure.png import LeanPng, lean_png
from brushwork_core.media.structure.rasters import check_bmp, check_gif, check_webp
from brushwork_core.media.structure.tiff import MAX_TAG_VALUES, SIGNATURES, check_tiff

__all__ = ["MAX_PARTS", "MAX_PIXELS", "MAX_PROFILE_BYTES", "MAX_SCANS", "MAX_TAG_VALUES", "TooCostly", "lean"]

MAX_PIXELS = 25_000_000
# A file without what no decoder needs. Only a PNG has values that Pillow does not read, or reads wrongly.
LeanFile = LeanPng


def lean(data: bytes, *, first_frame: bool = False) -> LeanFile:
    """Check what decoding a file costs, and leave out the parts without pixels.

    A file of an unknown or damaged structure is returned as it is, for the decoder to refuse.

    Args:
        data: The file.
        first_frame: Whether only the first frame of an animated PNG is kept.

    Raises:
        TooCostly: A limit is exceeded.
    """
    if data.startswith(PNG):
        return lean_png(data, first_frame)
    if data.startswith(JPEG):
        return LeanFile(lean_jpeg(data))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        check_webp(data, MAX_PIXELS)
    elif data.startswith((b"GIF87a", b"GIF89a")):
        check_gif(data)
    elif data[:4] in SIGNATURES:
        check_tiff(data)
    elif data.startswith(b"BM"):
        check_bmp(data)
    elif data[4:8] == b"ftyp":
        check_boxes(data, MAX_PIXELS)
    return LeanFile(data)
