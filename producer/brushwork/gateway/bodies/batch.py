"""Many requests in few words: a list of them, or one and lists of what differs."""

from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Annotated, Any

from brushwork_schemas.errors import InvalidRequest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brushwork.gateway.problems import invalid_request

MOST_JOBS = 1000
Lists = dict[str, Annotated[list[Any], Field(min_length=1)]]


class BatchRequest(BaseModel):
    """Requests; or a template with either `product` or `zip`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: list[Any] = Field([], min_length=1, max_length=MOST_JOBS)
    template: dict[str, Any] = Field({}, description="What all have in common.")
    product: Lists = Field({}, min_length=1, description="Each value with each; the last name varies first.")
    zip: Lists = Field({}, min_length=1, description="The first values together, the second ones, and so on.")

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "BatchRequest":
        """The batch that a body holds.

        Raises:
            InvalidRequest: It is none; the message names the field.
        """
        try:
            batch = cls.model_validate(dict(body))
        except ValidationError as error:
            raise invalid_request(error.errors()) from None
        batch._check_form()
        return batch

    def expanded(self) -> list[Any]:
        """All requests, in order."""
        if self.requests:
            return self.requests
        lists = self.product or self.zip
        rows = product(*lists.values()) if self.product else zip(*lists.values(), strict=True)
        return [{**self.template, **dict(zip(lists, row, strict=True))} for row in rows]

    def _check_form(self) -> None:
        given = sorted(self.model_fields_set)
        if given not in (["requests"], ["product", "template"], ["template", "zip"]):
            raise InvalidRequest(
                "A batch is `requests`, or a `template` with `product` or `zip`; "
                f"it was {', '.join(given) or 'empty'}.",
                field="requests",
            )
        if both := sorted(self.template.keys() & (self.product or self.zip).keys()):
            raise InvalidRequest(
                f"template: {both[0][:80]!r} stands there and in the lists.",
                field="template",
                hint="Say there what all jobs have in common, and in the lists what differs.",
            )
        lengths = {name: len(values) for name, values in (self.product or self.zip).items()}
        if self.zip and len(set(lengths.values())) > 1:
            raise InvalidRequest(f"zip: its lists are of different lengths: {_listed(lengths)}.", field="zip")
        if self.product and prod(lengths.values()) > MOST_JOBS:
            raise InvalidRequest(
                f"product: {_listed(lengths)} make more than {MOST_JOBS} jobs.", field="product"
            )
        if self.zip and max(lengths.values()) > MOST_JOBS:
            raise InvalidRequest(f"zip: more than {MOST_JOBS} jobs.", field="zip")


def _listed(lengths: Mapping[str, int]) -> str:
    return ", ".join(f"{name[:40]} {length}" for name, length in list(lengths.items())[:5])
