"""What somebody typed into a form: read into the parameters of a request, and kept to be shown again."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from brushwork_schemas.job import Job
from pydantic import BaseModel
from starlette.datastructures import FormData, UploadFile

from brushwork.gateway.page.form_field import FormField

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")


@dataclass
class TypedForm:
    """A form's content by field name: words as typed, lists of ticks, or whether a box is ticked.

    Args:
        values: What the fields show.
        image: The SHA-256 of a picture that is there already.
        file: The bytes of a picture that was chosen now.
    """

    values: dict[str, Any] = field(default_factory=dict)
    image: str | None = None
    file: bytes | None = None

    @classmethod
    def fresh(cls, fields: Iterable[FormField]) -> "TypedForm":
        """An untouched form."""
        return cls({each.name: each.default for each in fields if each.default is not None})

    @classmethod
    def of_job(cls, job: Job, fields: Sequence[FormField]) -> "TypedForm":
        """What a job was asked for, to be changed and submitted."""
        told = {**asked(job), "priority": job.priority, "tenant": job.tenant, "group": job.group}
        known = {each.name: told[each.name] for each in fields if told.get(each.name) is not None}
        image = known.pop("image", None)
        return cls({**cls.fresh(fields).values, **known}, image if isinstance(image, str) else None)

    @classmethod
    async def posted(cls, form: FormData, fields: Sequence[FormField]) -> "TypedForm":
        """What a browser sent."""
        values = {each.name: _value(each, form) for each in fields if each.shape != "file"}
        known, chosen = form.get("image_sha256"), form.get("image")
        data = await chosen.read() if isinstance(chosen, UploadFile) and chosen.filename else None
        return cls(values, known if isinstance(known, str) and known else None, data)

    def parameters(self, fields: Iterable[FormField]) -> dict[str, Any]:
        """The parameters of the request: what was left empty is left out."""
        parameters = {each.name: _parameter(each, self.values.get(each.name)) for each in fields}
        parameters["image"] = self.file or self.image
        return {name: value for name, value in parameters.items() if value not in (None, "", [])}


def asked(job: Job) -> Mapping[str, Any]:
    """A job's request by field; that of a refused job may be anything its sender said."""
    request = job.request
    if isinstance(request, BaseModel):
        return request.model_dump(mode="json")
    return request if isinstance(request, Mapping) else {}


def _value(each: FormField, form: FormData) -> Any:
    if each.shape == "checks":
        return [value for value in form.getlist(each.name) if isinstance(value, str)]
    if each.shape == "checkbox":
        return each.name in form
    value = form.get(each.name)
    # Browsers end the lines of a text with two characters.
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


def _parameter(each: FormField, value: Any) -> Any:
    if each.shape != "number" or not isinstance(value, str):
        return value
    text = value.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        return float(text) if text else None
    except ValueError:
        # The request's own check names the field and says what it should be.
        return value
