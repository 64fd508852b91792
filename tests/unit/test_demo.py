"""What the demonstration says of its results, and how it shows them, over results made up here."""

import io
from html.parser import HTMLParser

import pytest
from brushwork.cli.commands.demo import results_table
from brushwork.demo.contact_sheet import contact_sheet
from brushwork.demo.demo_result import DemoResult
from brushwork.demo.page import page
from brushwork.demo.prompts import PROMPTS, DemoPrompt
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.kinds.generation.text_to_image import TextToImageResult
from brushwork_schemas.kinds.image_classification import ImageClassificationResult, Prediction
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationResult
from brushwork_schemas.kinds.image_to_text import ImageToTextResult
from brushwork_schemas.kinds.result import Provenance, Timings
from PIL import Image

RED, GREEN = (220, 40, 40), (40, 170, 70)
PROVENANCE = Provenance(
    model="m",
    model_revision="0",
    versions={},
    device="cpu",
    dtype="float32",
    worker="w",
    attempt=1,
    timings=Timings(queued_s=0, loading_s=0, running_s=0.5),
)
PROMPT = DemoPrompt('a red circle & "more"', "en", ("red circle",), ("circle",))


class Drawn:
    """A source of one-coloured pictures; the name of one is the letter of its colour."""

    def get(self, sha256: str) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (64, 64), RED if sha256[0] == "a" else GREEN).save(file, "PNG")
        return file.getvalue()


def artifact(letter: str) -> Artifact:
    drawn = Artifact(sha256=letter * 64, media_type="image/png", size_bytes=1, width=64, height=64)
    drawn.bind(Drawn())
    return drawn


def showing(
    prompt: DemoPrompt = PROMPT,
    *,
    caption: str = "a large red circle",
    label: str = "circle",
    areas: dict[str, float] | None = None,
) -> DemoResult:
    given = {"background": 0.7, "circle": 0.299, "star": 0.001} if areas is None else areas
    return DemoResult(
        prompt,
        TextToImageResult(images=(artifact("a"),), seed=7, seeds=(7,), provenance=PROVENANCE),
        ImageToTextResult(generated_text=caption, provenance=PROVENANCE),
        ImageClassificationResult(predictions=(Prediction(label=label, score=0.98),), provenance=PROVENANCE),
        ImageSegmentationResult(
            mask=artifact("b"), overlay=artifact("c"), labels=(), areas=given, provenance=PROVENANCE
        ),
    )


def test_results_that_agree_with_the_prompt() -> None:
    seen = showing()
    assert (seen.caption_agrees, seen.class_agrees, seen.areas_agree) == (True, True, True)
    assert seen.areas == {"circle": 0.299}
    assert seen.running_s == 2.0


def test_results_that_do_not() -> None:
    seen = showing(caption="a red star", label="star", areas={"background": 0.5, "circle": 0.3, "star": 0.2})
    assert (seen.caption_agrees, seen.class_agrees, seen.areas_agree) == (False, False, False)
    assert list(seen.areas) == ["circle", "star"]


def test_the_classifier_is_not_asked_about_two_objects() -> None:
    two = showing(PROMPTS[3], label="ring")
    assert (two.class_text, two.class_agrees) == ("two objects", True)


def test_the_page_needs_nothing_else_and_holds_every_picture() -> None:
    html = page([showing(), showing(PROMPTS[4])])
    parser = Images()
    parser.feed(html)
    assert len(parser.sources) == 4
    assert all(source.startswith("data:image/png;base64,") for source in parser.sources)
    assert "a red circle &amp; &quot;more&quot;" in html
    assert PROMPTS[4].text in html
    assert "prefers-color-scheme: dark" in html
    assert "http" not in html


@pytest.mark.parametrize("number", [1, 4, 8])
def test_the_sheet_has_each_picture_above_its_overlay(number: int) -> None:
    sheet = contact_sheet([showing(prompt) for prompt in PROMPTS[:number]])
    rows = -(-number // 4)
    assert sheet.size == (848, rows * sheet.height // rows)
    assert sheet.getpixel((100, 100)) == RED
    assert sheet.getpixel((100, 300)) == GREEN


def test_the_table_has_a_row_for_each_prompt() -> None:
    assert results_table([showing(), showing()]).row_count == 2


def test_the_prompts_are_of_both_languages_with_one_object_and_two() -> None:
    kinds = {(prompt.language, len(prompt.shapes)) for prompt in PROMPTS}
    assert kinds == {("en", 1), ("en", 2), ("zh", 1), ("zh", 2)}


class Images(HTMLParser):
    """Collects the sources of all pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.sources.append(dict(attrs)["src"] or "")
