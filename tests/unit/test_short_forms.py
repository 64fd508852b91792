"""Lists in a line: read, written, and refused with an example."""

from typing import Any

import pytest
from brushwork.inputs import short_forms
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.generation import LoraChoice
from brushwork_schemas.kinds.image_segmentation import Box, Point

CASES: list[tuple[str, str, list[Any], str]] = [
    ("candidate_labels", "a cat, a dog", ["a cat", "a dog"], "a cat\na dog"),
    ("candidate_labels", "red, green\nblue", ["red, green", "blue"], "red, green\nblue"),
    ("candidate_labels", "", [], ""),
    ("loras", "pixel:0.8,ink", [{"name": "pixel", "weight": 0.8}, {"name": "ink"}], "pixel:0.8\nink"),
    ("loras", "trained:me", [{"name": "trained:me"}], "trained:me"),
    ("points", "12,30", [{"x": 12.0, "y": 30.0}], "12, 30"),
    (
        "points",
        "12, 30; 40.5,50,off\n\n7, 8, on, 2",
        [
            {"x": 12.0, "y": 30.0},
            {"x": 40.5, "y": 50.0, "is_on": False},
            {"x": 7.0, "y": 8.0, "is_on": True, "object": 2},
        ],
        "12, 30\n40.5, 50, off\n7, 8, 2",
    ),
    (
        "boxes",
        "1,2,3,4;5,6,7,8",
        [
            {"x_min": 1.0, "y_min": 2.0, "x_max": 3.0, "y_max": 4.0},
            {"x_min": 5.0, "y_min": 6.0, "x_max": 7.0, "y_max": 8.0},
        ],
        "1, 2, 3, 4\n5, 6, 7, 8",
    ),
    ("points", '[{"x": 1, "y": 2}]', [{"x": 1, "y": 2}], "1, 2"),
]


@pytest.mark.parametrize(("field", "text", "items", "lines"), CASES)
def test_what_is_read_is_written_again(field: str, text: str, items: list[Any], lines: str) -> None:
    assert short_forms.read(field, text) == items
    assert short_forms.written(field, items) == lines


def test_what_is_read_is_what_a_request_takes() -> None:
    assert [Point(**point) for point in short_forms.read("points", "1,2,off,3")]
    assert [Box(**box) for box in short_forms.read("boxes", "1,2,3,4")]
    assert [LoraChoice(**lora) for lora in short_forms.read("loras", "ink:-0.5")]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("points", "12"),
        ("points", "12,30,40,on,x"),
        ("boxes", "1,2,3"),
        ("points", "[1"),
        ("boxes", "a,b,c,d"),
    ],
)
def test_what_can_not_be_read_is_named(field: str, text: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field}: ") as raised:
        short_forms.read(field, text)
    assert raised.value.field == field


def test_what_is_no_list_is_written_as_nothing() -> None:
    assert [short_forms.written("loras", value) for value in (None, (), "ink")] == ["", "", ""]
