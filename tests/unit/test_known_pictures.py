"""Which pictures of the store a worker decodes itself, and that all come out alike."""

import io

import pytest
from brushwork_core.media.decoders import known_pictures
from brushwork_core.media.decoders.decoder import InProcess
from brushwork_core.media.pictures import Reading
from brushwork_schemas.errors import InvalidImage
from PIL import Image


class Counting(InProcess):
    """A decoder that counts what it is given."""

    def __init__(self) -> None:
        self.num_given = 0

    def decoded(self, data: bytes, reading: Reading) -> Image.Image:
        self.num_given += 1
        return super().decoded(data, reading)


def file_of(width: int, height: int, format_name: str) -> bytes:
    picture = Image.radial_gradient("L").resize((width, height)).convert("RGB")
    file = io.BytesIO()
    picture.save(file, format_name)
    return file.getvalue()


@pytest.mark.parametrize(
    ("width", "height", "format_name", "is_given"),
    [
        (1024, 1024, "PNG", False),
        (1025, 1024, "PNG", True),
        (1024, 1024, "JPEG", False),
        (1024, 1025, "JPEG", True),
        (16, 16, "WEBP", True),
        (16, 16, "GIF", True),
    ],
)
def test_only_small_pngs_and_jpegs_need_no_other_process(
    width: int, height: int, format_name: str, is_given: bool
) -> None:
    data, decoder = file_of(width, height, format_name), Counting()
    picture = known_pictures.decoded(data, Reading(), decoder)
    assert bool(decoder.num_given) is is_given
    assert picture.tobytes() == InProcess().decoded(data, Reading()).tobytes()


def test_a_large_file_of_few_pixels_is_given_to_the_decoder() -> None:
    data, decoder = file_of(16, 16, "PNG") + bytes(2**20), Counting()
    known_pictures.decoded(data, Reading(), decoder)
    assert decoder.num_given == 1


def test_a_damaged_picture_is_refused_as_by_the_decoder() -> None:
    data = file_of(64, 64, "PNG")[:200]
    with pytest.raises(InvalidImage) as expected:
        InProcess().decoded(data, Reading("mask"))
    with pytest.raises(InvalidImage) as raised:
        known_pictures.decoded(data, Reading("mask"), Counting())
    assert (str(raised.value), raised.value.field) == (str(expected.value), "mask")
