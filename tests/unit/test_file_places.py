"""Where the files of a request are, also in lists inside of lists."""

from typing import Any

import pytest
from brushwork_schemas.kinds.file_places import MOST_ITEMS, patterns_of, values_at, with_values
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest

PATTERNS = ("image", "images.*", "ip_adapters.*.images.*")
ONE, TWO = "1" * 64, "2" * 64


def test_the_files_of_a_request_type_are_found_at_any_depth() -> None:
    found = patterns_of(TextToImageRequest.model_json_schema())
    assert found == {"control_image": "image/*", "ip_adapters.*.images.*": "image/*"}


CASES: list[tuple[Any, dict[str, Any]]] = [
    ({}, {}),
    ({"image": None, "images": None, "ip_adapters": None}, {}),
    ({"image": ONE}, {"image": ONE}),
    ({"images": [ONE, TWO]}, {"images.0": ONE, "images.1": TWO}),
    ({"images": ONE}, {"images.0": ONE}),
    ({"images": [None, ONE]}, {"images.1": ONE}),
    (
        {"ip_adapters": [{"images": [ONE]}, {"images": TWO}, {}, "x", 3]},
        {"ip_adapters.0.images.0": ONE, "ip_adapters.1.images.0": TWO},
    ),
    ({"ip_adapters": {"images": (ONE, TWO)}}, {"ip_adapters.0.images.0": ONE, "ip_adapters.0.images.1": TWO}),
    ({"ip_adapters": "text", "images": {}}, {"images.0": {}}),
    ({"images": [ONE] * (MOST_ITEMS + 1)}, {}),
]


@pytest.mark.parametrize(("whole", "expected"), CASES)
def test_values_are_found_by_place(whole: Any, expected: dict[str, Any]) -> None:
    assert values_at(whole, PATTERNS) == expected
    changed = with_values(whole, dict.fromkeys(expected, "new"))
    assert values_at(changed, PATTERNS) == dict.fromkeys(expected, "new")
    assert values_at(whole, PATTERNS) == expected


def test_a_list_grows_by_one_place_and_not_by_a_gap() -> None:
    assert with_values({}, {"images.0": 1, "images.1": 2}) == {"images": [1, 2]}
    assert with_values({}, {"images.1": 1}) == {"images": []}
    grown = with_values({"ip_adapters": [{"name": "a"}]}, {"ip_adapters.0.images.0": 1})
    assert grown == {"ip_adapters": [{"name": "a", "images": [1]}]}


def test_a_request_keeps_its_types() -> None:
    given = {"prompt": "a", "ip_adapters": [{"name": "a", "images": [ONE]}]}
    request = TextToImageRequest.model_validate(given)
    changed = with_values(request, {"ip_adapters.0.images.0": TWO})
    assert isinstance(changed, TextToImageRequest)
    assert changed.ip_adapters[0].images == (TWO,)
    assert request.ip_adapters[0].images == (ONE,)
    assert "ip_adapters" not in TextToImageRequest(prompt="a").model_dump()
    assert "prompt_weighting" not in TextToImageRequest(prompt="a").model_dump()
