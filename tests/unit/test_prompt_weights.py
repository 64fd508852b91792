"""Weights in prompts: how they are written, and which are refused at the door."""

import pytest
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.generation.prompt_weights import (
    MAX_WEIGHTED,
    is_weighted,
    looks_weighted,
    parsed,
    plain_text,
)

CASES: list[tuple[str, list[list[tuple[str, float]]]]] = [
    ("a cat", [[("a cat", 1.0)]]),
    ("", [[("", 1.0)]]),
    ("a (cat:1.3) sits", [[("a ", 1.0), ("cat", 1.3), (" sits", 1.0)]]),
    ("(a (b:2) c:0.5)", [[("a ", 0.5), ("b", 1.0), (" c", 0.5)]]),
    ("((a)) [b]", [[("a", 1.21), (" ", 1.0), ("b", 1 / 1.1)]]),
    ("[[a]]", [[("a", 1 / 1.21)]]),
    (r"a \(b\) \[c\] \\", [[(r"a (b) [c] \ ".strip(), 1.0)]]),
    ("a BREAK b BREAK", [[("a ", 1.0)], [(" b ", 1.0)], [("", 1.0)]]),
    ("BREAKFAST, aBREAK", [[("BREAKFAST, aBREAK", 1.0)]]),
    ("(a BREAK b)", [[("a ", 1.1)], [(" b)", 1.0)]]),
    ("a) b]", [[("a) b]", 1.0)]]),
    ("(a [b)", [[("a ", 1.1), ("b)", 1.0)]]),
    ("(a", [[("a", 1.1)]]),
    ("(ratio 16:9:1.2)", [[("ratio 16:9", 1.2)]]),
    ("[a:1.3]", [[("a:1.3", 1 / 1.1)]]),
    ("16:9 (a : .5 )", [[("16:9 ", 1.0), ("a ", 0.5)]]),
    ("(红色圆形:1.3)在上方", [[("红色圆形", 1.3), ("在上方", 1.0)]]),
]


@pytest.mark.parametrize(("prompt", "expected"), CASES)
def test_a_prompt_has_fragments_with_weights(prompt: str, expected: list[list[tuple[str, float]]]) -> None:
    found = [[(each.text, each.weight) for each in chunk] for chunk in parsed(prompt)]
    if prompt == "[[a]]" or "(b:2)" in prompt or "((a))" in prompt:
        found = [[(text, pytest.approx(weight)) for text, weight in chunk] for chunk in found]
    assert [[text for text, _ in chunk] for chunk in found] == [
        [text for text, _ in chunk] for chunk in expected
    ]
    assert found == expected


def test_plain_text_has_no_brackets_weights_and_breaks() -> None:
    assert plain_text(parsed("a (red:1.3) [circle]")) == "a red circle"
    assert plain_text(parsed("a BREAK b")).split() == ["a", "b"]
    assert not is_weighted(parsed("a (b:1) c"))
    assert is_weighted(parsed("a BREAK b"))
    assert is_weighted(parsed("[a]"))


@pytest.mark.parametrize("prompt", ["a (cat:1.3)", "(a b c: 0.5 )", "a BREAK b", "x (y:2)z"])
def test_a_prompt_that_seems_to_have_weights_is_noticed(prompt: str) -> None:
    assert looks_weighted(prompt)


@pytest.mark.parametrize(
    "prompt", ["a cat (sitting)", "16:9", "[a]", "BREAKFAST", "(a: b)", "at 10:30 (noon)"]
)
def test_brackets_that_people_write_anyway_are_not(prompt: str) -> None:
    assert not looks_weighted(prompt)


WRONG = {
    "negative": "(a:-1)",
    "too large": "(a:5)",
    "too large together": "((a:3):3)",
    "enormous": f"(a:{'9' * 300})",
    "nested too deep": "(" * 20 + "a",
    "too many": " ".join(f"(w{number}:0.5)" for number in range(MAX_WEIGHTED + 1)),
    "too many breaks": "a BREAK " * (MAX_WEIGHTED + 1),
}


@pytest.mark.parametrize("prompt", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_wrong_weights_are_refused_at_the_door(field: str, prompt: str) -> None:
    model = next(model.name for model in Catalogue.load() if "prompt_weighting" in model.accepts)
    request = {"model": model, "prompt": "a circle", field: prompt}
    assert admit("text-to-image", request, Catalogue.load()).request.prompt
    with pytest.raises(InvalidRequest) as error:
        admit("text-to-image", {**request, "prompt_weighting": True}, Catalogue.load())
    assert error.value.field == field


def test_a_model_of_another_family_refuses_weights() -> None:
    other = next(model.name for model in Catalogue.load() if model.family == "flux")
    with pytest.raises(InvalidRequest) as error:
        admit("text-to-image", {"model": other, "prompt": "a", "prompt_weighting": True}, Catalogue.load())
    assert error.value.field == "prompt_weighting"
