"""From words to parameters: the type of each field, the parameter that needs no name, and what is refused."""

from typing import Any

import pytest
from brushwork.cli.parameters import parsed
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.registry import all_kinds


@pytest.mark.parametrize(
    ("kind", "words", "parameters"),
    [
        ("text-to-image", ["a red circle"], {"prompt": "a red circle"}),
        ("text-to-image", ["prompt=1 = 1", "seed=7"], {"prompt": "1 = 1", "seed": 7}),
        (
            "text-to-image",
            ["x", "width=64", "guidance_scale=2"],
            {"prompt": "x", "width": 64, "guidance_scale": 2.0},
        ),
        ("text-to-image", ["红色圆形"], {"prompt": "红色圆形"}),
        ("text-to-image", ["2+2=4 apples"], {"prompt": "2+2=4 apples"}),
        ("text-to-image", ["prompt=7"], {"prompt": "7"}),
        ("text-to-image", ["x", "scheduler=DDIMScheduler"], {"prompt": "x", "scheduler": "DDIMScheduler"}),
        ("image-to-text", ["cat.png", "language=zh"], {"image": "cat.png", "language": "zh"}),
        ("image-segmentation", ["image=cat.png", "overlay=no"], {"image": "cat.png", "overlay": False}),
        (
            "image-classification",
            ["https://example.org/a.png", "top_k=3"],
            {"image": "https://example.org/a.png", "top_k": 3},
        ),
        (
            "image-classification",
            ["a.png", "candidate_labels=a cat, a dog"],
            {"image": "a.png", "candidate_labels": ["a cat", "a dog"]},
        ),
        (
            "inpainting",
            ["a.png", "prompt=x", "mask_image=m.png", "loras=pixel:0.8,ink"],
            {
                "image": "a.png",
                "prompt": "x",
                "mask_image": "m.png",
                "loras": [{"name": "pixel", "weight": 0.8}, {"name": "ink"}],
            },
        ),
        (
            "image-segmentation",
            ["a.png", "points=12,30"],
            {"image": "a.png", "points": [{"x": 12.0, "y": 30.0}]},
        ),
        (
            "image-classification-training",
            ["animals", "learning_rate=0.01", "freeze_backbone=yes", "optimizer=adamw"],
            {"dataset": "animals", "learning_rate": 0.01, "freeze_backbone": True, "optimizer": "adamw"},
        ),
    ],
)
def test_words_become_typed_parameters(kind: str, words: list[str], parameters: dict[str, Any]) -> None:
    found = parsed(all_kinds()[kind], words)
    assert found == parameters
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in parameters.items()
    }


@pytest.mark.parametrize("word", ["width=abc", "widht=64", "language=fr"])
def test_what_does_not_fit_is_left_for_submit_to_refuse(word: str) -> None:
    name, value = word.split("=")
    assert parsed(all_kinds()["text-to-image"], [word]) == {name: value}


def test_an_unquoted_prompt_is_refused_with_the_fix() -> None:
    with pytest.raises(InvalidRequest, match="points"):
        parsed(all_kinds()["image-segmentation"], ["points=here"])
    with pytest.raises(InvalidRequest, match="twice") as caught:
        parsed(all_kinds()["text-to-image"], ["a", "red", "circle"])
    assert "quotes" in (caught.value.hint or "")


def test_a_prompt_where_the_picture_belongs_is_refused_with_its_name() -> None:
    with pytest.raises(InvalidRequest, match="image is given twice") as caught:
        parsed(all_kinds()["image-to-image"], ["a blue circle", "image=circle.png"])
    assert 'prompt="..."' in (caught.value.hint or "")


def test_a_number_beyond_its_limits_stays_a_number() -> None:
    assert parsed(all_kinds()["text-to-image"], ["x", "width=17"])["width"] == 17
