"""Reads what an untrusted picture says about its origin, under the limits of `pictures.read`."""

from collections.abc import Callable
from dataclasses import replace

from brushwork_schemas.artifact.mp4 import is_mp4
from PIL import Image

from brushwork_core.media import pictures
from brushwork_core.media.picture_formats import opened
from brushwork_core.media.picture_structure import lean
from brushwork_core.media.pictures import Reading
from brushwork_core.provenance.reading.file_reading import FileReading, read_file
from brushwork_core.provenance.reading.text_blocks import TextBlocks
from brushwork_core.provenance.reading.video_reading import reported_video


def reported(
    data: bytes, reading: Reading, trusted: str = "", on_pixels: Callable[[int], None] | None = None
) -> FileReading:
    """Return what a file says about its origin.

    Args:
        data: A complete file of a picture or an MP4.
        reading: Field and largest size. Transparency is kept, and of several frames the first is taken.
        trusted: PEM certificates of the trusted authorities.
        on_pixels: Called with the number of pixels, before they are decoded.

    Raises:
        InvalidImage: The picture cannot be read, or exceeds a limit.
    """
    if is_mp4(data[:12]):
        return reported_video(data, reading.field, trusted)
    whole = replace(reading, background=None, first_frame=True)
    pixels = pictures.read(data, whole, on_pixels).picture
    # What is read is without the texts, so it can be opened whatever they are.
    with opened(lean(data, first_frame=True).data, reading.field) as found:
        media_type = Image.MIME.get(found.format or "", "application/octet-stream")
    return read_file(data, media_type, _texts(data, reading.field), pixels, trusted)


def _texts(data: bytes, field: str) -> TextBlocks:
    try:
        with opened(data, field) as found:
            return TextBlocks.of(found)
    except MemoryError:
        raise
    # Pillow raises errors of many types for damaged metadata.
    except Exception as error:
        return TextBlocks(problems=[f"metadata: {type(error).__name__}: {error}"[:200]])
