"""What somebody typed into a form: read into the parameters of a request, and kept to be shown again."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from brushwork_schemas.job import Job
from pydantic import BaseModel
from starlette.datastructures import FormData, UploadFile

from brushwork.gateway.bodies.received import content_of
from brushwork.inputs import short_forms
from brushwork.page.forms.form_field import FormField

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")


@dataclass
class TypedForm:
    """A form's content by field name: words as typed, lists of ticks, or whether a box is ticked.

    Args:
        values: What the fields show.
        stored: The SHA-256 of files that are there already, by field.
        files: The files that were chosen now, by field; an archive is open, and is not in memory.
    """

    values: dict[str, Any] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes | BinaryIO] = field(default_factory=dict)

    @classmethod
    def fresh(cls, fields: Iterable[FormField]) -> "TypedForm":
        """An untouched form."""
        return cls({each.name: each.default for each in fields if each.default is not None})

    @classmethod
    def of_job(cls, job: Job, fields: Sequence[FormField]) -> "TypedForm":
        """What a job was asked for, to be changed and submitted."""
        told = {**asked(job), "priority": job.priority, "tenant": job.tenant, "group": job.group}
        known = {each.name: told[each.name] for each in fields if told.get(each.name) is not None}
        of_files = [each.name for each in fields if each.shape == "file"]
        taken = {name: known.pop(name) for name in of_files if name in known}
        stored = {name: value for name, value in taken.items() if isinstance(value, str)}
        for name in short_forms.FORMS.keys() & known.keys():
            known[name] = short_forms.written(name, known[name])
        return cls({**cls.fresh(fields).values, **known}, stored)

    @classmethod
    async def posted(
        cls, form: FormData, fields: Sequence[FormField], most_bytes: int = 2**20
    ) -> "TypedForm":
        """What a browser sent.

        Args:
            form: It; files that are archives have to be read before it is closed.
            fields: Of the form.
            most_bytes: Of a file that is no archive.

        Raises:
            PayloadTooLarge: A file that is no archive has more.
        """
        typed = cls({each.name: _value(each, form) for each in fields if each.shape != "file"})
        for name in (each.name for each in fields if each.shape == "file"):
            known, chosen = form.get(f"{name}_sha256"), form.get(name)
            if isinstance(known, str) and known:
                typed.stored[name] = known
            if isinstance(chosen, UploadFile) and chosen.filename:
                typed.files[name] = await content_of(chosen, most_bytes)
        return typed

    def parameters(self, fields: Iterable[FormField]) -> dict[str, Any]:
        """The parameters of the request: what was left empty is left out.

        Raises:
            InvalidRequest: A list can't be read.
        """
        parameters = {each.name: _parameter(each, self.values.get(each.name)) for each in fields}
        parameters |= {**self.stored, **self.files}
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
    if each.shape == "lines":
        return short_forms.read(each.name, value) if isinstance(value, str) else value
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
