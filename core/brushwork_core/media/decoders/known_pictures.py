"""Decode pictures of the store, which were decoded before: when they were submitted."""

from brushwork_schemas.errors import InvalidImage
from PIL import Image

from brushwork_core.media import pictures
from brushwork_core.media.decoders.decoder import Decoder
from brushwork_core.media.pictures import Reading
from brushwork_core.media.structure.jpeg import SIGNATURE as JPEG
from brushwork_core.media.structure.png import SIGNATURE as PNG

# A picture up to these sizes is decoded within some milliseconds, whatever it holds.
SMALL_BYTES = 2**20
SMALL_PIXELS = 2**20


def decoded(data: bytes, reading: Reading, decoder: Decoder) -> Image.Image:
    """Return the pixels of a picture, a small one without the way to another process.

    The way takes longer than the decoding of a small picture. A child process has decoded the picture when it
    was submitted, and what decoding may cost is checked here as well.

    Args:
        data: A complete file of the store.
        reading: How it is read.
        decoder: Decodes larger pictures, and all but PNG and JPEG.

    Raises:
        InvalidImage: The picture cannot be read.
        ServiceUnreachable: No decoder process can be started.
    """
    if len(data) > SMALL_BYTES or not data.startswith((PNG, JPEG)):
        return decoder.decoded(data, reading)
    # Nobody sees this error.
    is_large = InvalidImage("")

    def expect_small(pixels: int) -> None:
        if pixels > SMALL_PIXELS:
            raise is_large

    try:
        return pictures.read(data, reading, expect_small).picture
    except InvalidImage as error:
        if error is not is_large:
            raise
        return decoder.decoded(data, reading)
