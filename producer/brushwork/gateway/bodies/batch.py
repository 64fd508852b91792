"""A batch: a list of requests, or a template with lists of values."""

from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Annotated, Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brushwork.gateway.problems import invalid_request

MOST_JOBS = 1000
Lists = dict[str, Annotated[list[Any], Field(min_length=1)]]


class BatchRequest(BaseModel):
    """Requests, or a template with either `product` or `zip`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: list[Any] = Field([], min_length=1, max_length=MOST_JOBS)
    template: dict[str, Any] = Field({}, description="Parameters that all jobs have in common.")
    product: Lists = Field(
        {}, min_length=1, description="All combinations of the values. The last list varies fastest."
    )
    zip: Lists = Field(
        {}, min_length=1, description="One job for each index of the lists, which have one length."
    )

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "BatchRequest":
        """Return the batch of a body.

        Raises:
            InvalidRequest: The body is not a batch. The message names the field.
        """
        try:
            batch = cls.model_validate(dict(body))
        except ValidationError as error:
            raise invalid_request(error.errors()) from None
        batch._check_form()
        return batch

    def expanded(self) -> list[Any]:
        """Return all requests, in order."""
        if self.requests:
            return self.requests
        lists = self.product or self.zip
        rows = product(*lists.values()) if self.product else zip(*lists.values(), strict=True)
        return [{**self.template, **dict(zip(lists, row, strict=True))} for row in rows]

    def _check_form(self) -> None:
        given = sorted(self.model_fields_set)
        if given not in (["requests"], ["product", "template"], ["template", "zip"]):
            raise InvalidRequest(
                said("A batch cannot have {value}.", value=" and ".join(given) or "no field"),
                field="requests",
                hint="Send `requests`, or `template` with `product`, or `template` with `zip`.",
            )
        if both := sorted(self.template.keys() & (self.product or self.zip).keys()):
            raise InvalidRequest(
                said("template: {both!r} is both in the template and in the lists.", both=both[0][:80]),
                field="template",
                hint="Put a parameter into the template if all jobs share its value, else into the lists.",
            )
        lengths = {name: len(values) for name, values in (self.product or self.zip).items()}
        if self.zip and len(set(lengths.values())) > 1:
            raise InvalidRequest(
                said("zip: the lists have different lengths: {listed}.", listed=_listed(lengths)), field="zip"
            )
        if self.product and prod(lengths.values()) > MOST_JOBS:
            raise InvalidRequest(
                said(
                    "product: {listed} give more than {most_jobs} jobs, the limit of a batch.",
                    listed=_listed(lengths),
                    most_jobs=MOST_JOBS,
                ),
                field="product",
            )
        if self.zip and max(lengths.values()) > MOST_JOBS:
            raise InvalidRequest(
                said("zip: more than {most_jobs} jobs, the limit of a batch.", most_jobs=MOST_JOBS),
                field="zip",
            )


def _listed(lengths: Mapping[str, int]) -> str:
    return ", ".join(f"{name[:40]} {length}" for name, length in list(lengths.items())[:5])
