"""The visible label, measured in pixels: size, contrast, corner and text on pictures of many sizes."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from brushwork_core.provenance.facts import DigitalSource, PictureFacts
from brushwork_core.provenance.picture_writer import OutputChoices, PictureWriter
from brushwork_core.provenance.visible_label import VisibleLabel, missing_characters, with_label
from brushwork_core.settings.mark_settings import MarkSettings
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.request import Corner
from numpy.typing import NDArray
from PIL import Image

CORNERS: Sequence[Corner] = get_args(Corner)
SIZES = [(64, 64), (96, 256), (256, 96), (128, 128), (256, 256), (512, 384), (1000, 1000), (1024, 1024)]
LONG = "This picture was made by a model and shows nothing that has happened"
CHINESE = "由人工智能生成的图片，仅供演示使用，请勿当作真实照片"
FACTS = PictureFacts(DigitalSource.GENERATED, "text-to-image", "pocket", "abc", "1.2.3")


def background(kind: str, size: tuple[int, int]) -> Image.Image:
    if kind == "noise":
        drawn = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        return Image.fromarray(drawn)
    return Image.new("RGB", size, kind)


def luminance(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Relative luminance as in WCAG 2.2, 0 to 1."""
    share = colours[..., :3] / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    weighted: NDArray[np.float64] = linear @ np.array([0.2126, 0.7152, 0.0722])
    return weighted


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["white", "black", "noise"])
def test_letters_have_the_height_and_the_contrast(size: tuple[int, int], kind: str) -> None:
    drawn = with_label(background(kind, size), VisibleLabel("H"))
    plate = luminance(np.asarray(drawn.picture.crop(drawn.plate)))
    letters = plate > 0.5
    # The ink of the letter itself, not what a font says of it.
    rows = np.flatnonzero(letters.any(axis=1))
    assert rows[-1] - rows[0] + 1 >= min(size) * 0.05
    assert rows[-1] - rows[0] + 1 <= max(min(size) * 0.05 + 3, 12)
    # The plate around the letter, against the ink in its middle. From 4.5 to 1, WCAG says, text can be read.
    around = np.concatenate([plate[:2].ravel(), plate[-2:].ravel()])
    assert (plate[letters].max() + 0.05) / (around.max() + 0.05) >= 4.5


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("size", [(64, 64), (96, 256), (256, 96), (512, 384)])
@pytest.mark.parametrize("text", ["AI-generated AI生成", LONG[:60], CHINESE])
def test_the_label_stands_in_its_corner_and_changes_nothing_else(
    corner: Corner, size: tuple[int, int], text: str
) -> None:
    before = background("noise", size)
    drawn = with_label(before, VisibleLabel(text, corner))
    left, top, right, bottom = drawn.plate
    assert drawn.is_whole
    assert (left if corner.endswith("left") else size[0] - right) == 0
    assert (top if corner.startswith("top") else size[1] - bottom) == 0
    assert drawn.letter_height >= min(size) * 0.05
    changed = np.any(np.asarray(before) != np.asarray(drawn.picture), axis=2)
    outside = changed.copy()
    outside[top:bottom, left:right] = False
    assert not outside.any()
    # All ink is inside: a border of the plate has none.
    plate = luminance(np.asarray(with_label(Image.new("RGB", size), VisibleLabel(text, corner)).picture))
    inside = plate[top:bottom, left:right] > 0.2
    assert inside.any()
    assert not np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]]).any()


def test_a_larger_share_gives_larger_letters() -> None:
    picture = Image.new("RGB", (512, 512))
    heights = [
        with_label(picture, VisibleLabel("AI", share=share)).letter_height for share in (0.05, 0.1, 0.2)
    ]
    assert heights == [math.ceil(512 * share) for share in (0.05, 0.1, 0.2)]


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (16, 16), (16, 4096), (4096, 16), (24, 900)])
@pytest.mark.parametrize("text", [CHINESE, LONG[:60], "AI"])
def test_a_picture_with_little_room_has_what_fits(size: tuple[int, int], text: str) -> None:
    drawn = with_label(Image.new("RGB", size, "white"), VisibleLabel(text))
    assert drawn.picture.size == size
    assert drawn.plate[2:] == size
    assert min(drawn.plate) >= 0
    made = PictureWriter(MarkSettings(visible_label="always", visible_label_text=text)).write(
        Image.new("RGB", size, "white"), FACTS, OutputChoices()
    )
    assert [each.code for each in made.warnings] == ([] if drawn.is_whole else ["visible_label_cut"])


def test_transparency_stays_outside_of_the_label() -> None:
    picture = Image.new("RGBA", (128, 128), (10, 20, 30, 0))
    drawn = with_label(picture, VisibleLabel("AI", "top-left")).picture
    assert drawn.getpixel((127, 127)) == (10, 20, 30, 0)
    assert drawn.getpixel((1, 1))[3] > 0  # type: ignore[index]


def test_equal_labels_have_equal_pixels() -> None:
    picture = background("noise", (256, 200))
    label = VisibleLabel(CHINESE)
    assert with_label(picture, label).picture.tobytes() == with_label(picture, label).picture.tobytes()


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("AI生成", ""),
        ("人工智能合成内容", ""),
        ("Généré par IA — создано ИИ — ΤΝ — ひらがな カタカナ", ""),
        ("AI😀", "😀"),
        ("囉囉AI", "囉"),
        ("AI \u0627\u0644\u0630\u0643\u0627\u0621", "\u0627\u0644\u0630\u0643\u0621"),
    ],
)
def test_characters_without_a_glyph_are_known(text: str, missing: str) -> None:
    assert missing_characters(VisibleLabel(text)) == missing
    choices = OutputChoices(visible_label=True, visible_label_text=text)
    if not missing:
        PictureWriter().check(choices)
        return
    with pytest.raises(InvalidRequest) as raised:
        PictureWriter().check(choices)
    assert raised.value.field == "visible_label_text"
    assert missing in str(raised.value)


def test_an_operator_s_font_is_used() -> None:
    font = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
    if not font.is_file():
        pytest.skip("this machine has no DejaVu Sans")
    picture = Image.new("RGB", (256, 256))
    settings = MarkSettings(visible_label_font=font)
    choices = OutputChoices(visible_label=True)
    other = PictureWriter(settings).write(picture, FACTS, choices)
    assert other.pixels_sha256 != PictureWriter().write(picture, FACTS, choices).pixels_sha256


def codes(settings: MarkSettings, choices: OutputChoices) -> list[tuple[str, str | None]]:
    made = PictureWriter(settings).write(Image.new("RGB", (256, 256), "white"), FACTS, choices)
    return [(each.code, each.field) for each in made.warnings]


def is_labelled(settings: MarkSettings, choices: OutputChoices) -> bool:
    plain = Image.new("RGB", (256, 256), "white")
    made, bare = (PictureWriter(each).write(plain, FACTS, choices) for each in (settings, MarkSettings()))
    unlabelled = PictureWriter().write(plain, FACTS, OutputChoices())
    assert bare.unsigned_sha256
    return made.pixels_sha256 != unlabelled.pixels_sha256


def test_who_decides_about_the_label() -> None:
    on_request, always = MarkSettings(), MarkSettings(visible_label="always")
    assert not is_labelled(on_request, OutputChoices())
    assert not is_labelled(on_request, OutputChoices(visible_label=False))
    assert is_labelled(on_request, OutputChoices(visible_label=True))
    assert is_labelled(always, OutputChoices())
    assert is_labelled(always, OutputChoices(visible_label=False))
    assert codes(always, OutputChoices(visible_label=False)) == [("parameter_ignored", "visible_label")]
    own_text = OutputChoices(visible_label_text="nothing to see")
    assert codes(always, own_text) == [("parameter_ignored", "visible_label_text")]
    assert codes(on_request, own_text) == [("parameter_ignored", "visible_label_text")]
    cornered = OutputChoices(visible_label_corner="top-left")
    assert codes(on_request, cornered) == [("parameter_ignored", "visible_label_corner")]
    assert codes(always, cornered) == []
