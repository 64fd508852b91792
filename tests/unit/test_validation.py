"""Pydantic's errors in words."""

from typing import Annotated, Any

import pytest
from brushwork_schemas.wording.validation import first_invalid, reason_of
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError


def refuse(value: str) -> str:
    if value == "bad":
        raise ValueError("it has no host")
    return value


class Inner(BaseModel):
    sizes: tuple[Annotated[int, Field(gt=0)], ...] = ()


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    inner: Inner = Inner()
    url: Annotated[str, AfterValidator(refuse)] = Field(max_length=5)


@pytest.mark.parametrize(
    ("given", "name", "reason"),
    [
        ({}, "url", "is required"),
        ({"url": "a", "other": 1}, "other", "is not a known field"),
        ({"url": "bad"}, "url", "it has no host"),
        ({"url": "abcdef"}, "url", "must have at most 5 characters"),
        ({"url": "a", "inner": {"sizes": [1, 0]}}, "inner.sizes.1", "must be greater than 0"),
        (5, "", "must be a valid dictionary or instance of Outer"),
    ],
)
def test_the_first_wrong_field_and_the_reason(given: Any, name: str, reason: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate(given)
    found = first_invalid(raised.value)
    assert (found.name, found.reason) == (name, reason)


def test_leading_parts_of_the_place_are_left_out() -> None:
    problems = [{"loc": ("query", "limit"), "msg": "Input should be less than or equal to 500"}]
    found = first_invalid(problems, skip=1)
    assert (found.name, found.reason) == ("limit", "must be less than or equal to 500")


def test_a_long_reason_is_cut() -> None:
    assert len(reason_of("Input should " + "x" * 1000)) == 200
