"""What decoding a picture costs is bounded by its structure, in each format, before a decoder sees it."""

import random
import struct
import time
import zlib
from collections.abc import Callable

import pytest
from brushwork_core.media import pictures
from brushwork_core.media.icc_profile import without_pipelines
from brushwork_core.media.structure import exif
from brushwork_schemas.errors import InvalidImage

from tests.attacks.hostile import boxes, jpegs, pngs, profiles, rasters, tiffs, webps
from tests.attacks.hostile.parts import chunk, encoded
from tests.attacks.hostile.parts import exif as exif_of

REFUSED: list[tuple[Callable[[random.Random], bytes], str]] = [
    (jpegs.thousands_of_scans, "scans"),
    (jpegs.scans_of_one_component, "scans"),
    (lambda _: jpegs.scans(5000, 60), "39 scans"),
    (jpegs.many_segments, "200000 segments"),
    (jpegs.many_tables, "2000 tables"),
    (jpegs.many_huffman_tables, "2000 tables"),
    (jpegs.many_intervals, "2000 tables"),
    (pngs.many_tags, "2000 tags in its EXIF data"),
    (webps.many_tags, "2000 tags in its EXIF data"),
    (webps.huge_canvas, "16384 x 16384 pixels"),
    (rasters.bmp_runs_of_one, "bytes of runs"),
    (rasters.bmp_moves, "bytes of runs"),
    (rasters.bmp_ends_of_rows, "bytes of runs"),
    (rasters.bmp_rows_that_end_at_once, "pixels in runs"),
    (rasters.bmp_long_moves, "pixels in runs"),
    (tiffs.many_tags, "2000 tags"),
    (tiffs.tags_of_one_place, "2000 tags"),
    (tiffs.tag_of_many_values, "500000 values"),
    (tiffs.tiles_far_larger_than_the_picture, "far more pixels"),
    (tiffs.tiles_of_many_scans, "4 scans"),
    (tiffs.strip_of_many_scans, "4 scans"),
    (boxes.many_items, "iinf"),
    (boxes.many_places, "iloc"),
    (boxes.many_associations, "ipma"),
    (boxes.many_references, "iref"),
    (boxes.many_properties, "2000 properties"),
    (boxes.many_boxes, "200000 boxes"),
]


@pytest.mark.parametrize(
    ("rule", "reason"), REFUSED, ids=[f"{number}-{reason}" for number, (_, reason) in enumerate(REFUSED)]
)
def test_a_costly_picture_is_refused_before_it_is_decoded(
    rule: Callable[[random.Random], bytes], reason: str
) -> None:
    data = rule(random.Random(1))
    with pytest.raises(InvalidImage, match=reason) as refused:
        pictures.decode(data, field="mask_image")
    assert refused.value.field == "mask_image"
    assert refused.value.fault == "caller"


@pytest.mark.parametrize(
    "rule", [pngs.many_palettes, pngs.many_gammas, pngs.many_transparent_colours, pngs.many_orientations]
)
def test_of_chunks_that_a_png_has_once_the_first_counts(rule: Callable[[random.Random], bytes]) -> None:
    data = rule(random.Random(1))
    began = time.process_time()
    stored, picture = pictures.cleaned(data)
    assert time.process_time() - began < 0.5
    assert picture.size == (16, 16)
    assert len(stored) < 1000


def test_pixels_in_very_many_chunks_are_joined() -> None:
    data = pngs.pixels_of_one_byte_each(random.Random(1))
    rows = zlib.decompress(b"".join(data[place + 8 : place + 9] for place in range(33, len(data) - 12, 13)))
    stored, picture = pictures.cleaned(data)
    assert picture.tobytes() == b"".join(rows[row * 601 + 1 : (row + 1) * 601] for row in range(200))
    assert stored.count(b"IDAT") < 10


def test_a_progressive_picture_of_usual_size_may_have_100_scans() -> None:
    assert pictures.decode(jpegs.scans(1000, 85)).size == (1000, 1000)


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_of_exif_data_only_the_orientation_is_read(value: int, order: str) -> None:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    tags = b"".join(
        struct.pack(f"{order}HHIHH", tag, 3, 1, content, 0) for tag, content in ((0x0101, 9), (0x0112, value))
    )
    data = mark + struct.pack(f"{order}IH", 8, 2) + tags + bytes(4)
    assert exif.orientation(data) == exif.orientation(b"Exif\0\0" + data) == value
    assert exif.orientation(exif.minimal(value)) == value
    turned = encoded("PNG", (32, 16))
    picture = pictures.decode(turned[:33] + chunk(b"eXIf", data) + turned[33:])
    assert picture.size == ((16, 32) if value > 4 else (32, 16))


@pytest.mark.parametrize("data", [b"", b"II*\0", exif_of((0x0112, 3, 1, 99)), exif_of((0x0112, 2, 1, 6))])
def test_exif_data_without_an_orientation(data: bytes) -> None:
    assert exif.orientation(data) == 1


def test_pipelines_of_a_profile_are_left_out() -> None:
    data = profiles.many_stages(random.Random(1))
    began = time.process_time()
    assert pictures.decode(data).size == (64, 64)
    assert time.process_time() - began < 0.5


def test_other_profiles_stay_as_they_are() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert without_pipelines(profile) == profile


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg"])
def test_usual_tiffs_are_read(compression: str) -> None:
    assert pictures.decode(encoded("TIFF", (700, 500), compression=compression)).size == (700, 500)


@pytest.mark.parametrize("compression", ["lzma", "zstd"])
def test_rare_compressions_of_a_tiff_are_refused_by_name(compression: str) -> None:
    with pytest.raises(InvalidImage, match="a TIFF with compression"):
        pictures.decode(encoded("TIFF", (64, 64), compression=compression))


def test_a_bmp_in_runs_is_read() -> None:
    # 300 rows of two runs each, of 200 and 100 pixels.
    runs = (bytes([200, 1, 100, 2]) + b"\0\0") * 300 + b"\0\1"
    picture = pictures.decode(rasters.bmp(300, 300, runs, 1))
    assert picture.size == (300, 300)
