"""The content of a form: read into the parameters of a request, and kept to show the form again."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from brushwork_schemas.artifact import is_sha256
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.file_places import MOST_ITEMS
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.presentation import Presentation
from starlette.datastructures import FormData, UploadFile

from brushwork.gateway.bodies.received import content_of
from brushwork.inputs import explain_choice, short_forms
from brushwork.page.forms.form_field import FormField

FAITHFULNESS = f"{explain_choice.PREFIX}faithfulness"
_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_YES_NO = {"true": True, "false": False}


@dataclass
class TypedForm:
    """The content of a form by field name: text as typed, lists of ticks, or whether a box is ticked.

    Args:
        values: What the fields show.
        stored: SHA-256 of files that are already stored, by field.
        files: Files that were chosen now, by field. An archive is an open file, not its bytes.
        added: Pictures that were chosen now for the adapters of a field that name none.
        stored_lists: The same as `stored`, for fields that take several files.
        file_lists: The same as `files`, for fields that take several files.
    """

    values: dict[str, Any] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes | BinaryIO] = field(default_factory=dict)
    added: dict[str, list[bytes | BinaryIO]] = field(default_factory=dict)
    stored_lists: dict[str, list[str]] = field(default_factory=dict)
    file_lists: dict[str, list[bytes | BinaryIO]] = field(default_factory=dict)

    @classmethod
    def fresh(cls, fields: Iterable[FormField]) -> "TypedForm":
        """Return an untouched form."""
        return cls({each.name: each.default for each in fields if each.default is not None})

    @classmethod
    def of_job(cls, job: Job, fields: Sequence[FormField]) -> "TypedForm":
        """Return a form filled with the request and the options of a job."""
        options = {"priority": job.priority, "tenant": job.tenant, "group": job.group}
        return cls.of_request({**Presentation(job).request, **options}, fields)

    @classmethod
    def of_request(cls, parameters: Mapping[str, Any], fields: Sequence[FormField]) -> "TypedForm":
        """Return a form filled with parameters, which may come from a file. Only what fits is used."""
        parameters = explain_choice.spread(parameters)
        values = {
            each.name: parameters[each.name] for each in fields if _fits(each, parameters.get(each.name))
        }
        of_files = [each.name for each in fields if each.shape == "file"]
        files = {name: values.pop(name) for name in of_files if name in values}
        stored = {name: value for name, value in files.items() if isinstance(value, str)}
        of_lists = [each.name for each in fields if each.shape == "files"]
        stored_lists = {
            name: [each for each in values.pop(name) if is_sha256(each)][:MOST_ITEMS]
            for name in of_lists
            if name in values
        }
        for each in fields:
            if each.shape == "yes-no" and each.name in values:
                values[each.name] = str(values[each.name]).lower()
        for name in short_forms.FORMS.keys() & values.keys():
            # A file may say anything.
            with suppress(AttributeError, IndexError, KeyError, TypeError, ValueError):
                values[name] = short_forms.written(name, values[name])
        return cls({**cls.fresh(fields).values, **values}, stored, stored_lists=stored_lists)

    @classmethod
    async def posted(
        cls, form: FormData, fields: Sequence[FormField], most_bytes: int = 2**20
    ) -> "TypedForm":
        """Read the form that a browser sent.

        Args:
            form: The form. Archives among its files must be read before it is closed.
            fields: The fields of the form.
            most_bytes: Largest size of a file that is not an archive, in bytes.

        Raises:
            PayloadTooLarge: A file that is not an archive is larger than `most_bytes`.
        """
        of_files = ("file", "files")
        typed = cls({each.name: _value(each, form) for each in fields if each.shape not in of_files})
        for name in (each.name for each in fields if each.shape == "file"):
            stored, chosen = form.get(f"{name}_sha256"), form.get(name)
            if isinstance(stored, str) and stored:
                typed.stored[name] = stored
            if isinstance(chosen, UploadFile) and chosen.filename:
                typed.files[name] = await content_of(chosen, most_bytes)
        for name in (each.name for each in fields if each.shape == "files"):
            kept = [each for each in form.getlist(f"{name}_sha256") if isinstance(each, str) and each]
            added = [each for each in form.getlist(name) if isinstance(each, UploadFile) and each.filename]
            typed.stored_lists[name] = kept
            typed.file_lists[name] = [await content_of(each, most_bytes) for each in added]
        for name in (each.name for each in fields if each.shape == "adapters"):
            chosen_now = [each for each in form.getlist(f"{name}.pictures") if isinstance(each, UploadFile)]
            typed.added[name] = [await content_of(each, most_bytes) for each in chosen_now if each.filename]
        return typed

    def keep_added(self, name: str, stored: Sequence[str]) -> None:
        """Write the names of stored pictures into a field, so that they need not be chosen again."""
        # What cannot be read stays as it was typed.
        with suppress(InvalidRequest):
            items = _with_pictures(short_forms.read(name, self.values.get(name) or ""), stored)
            self.values[name] = short_forms.written(name, items)

    def take_picture(self, kind: Kind, sha256: str) -> None:
        """Take a stored picture as the main input of a kind."""
        name = kind.main_input or "image"
        if name in kind.file_lists:
            self.stored_lists[name] = [sha256]
        else:
            self.stored[name] = sha256

    def parameters(self, fields: Iterable[FormField]) -> dict[str, Any]:
        """Return the parameters of the request, without empty fields.

        Raises:
            InvalidRequest: A list has the wrong format.
        """
        parameters, wrong = {}, Refusals()
        for each in fields:
            with wrong.noted():
                parameters[each.name] = _parameter(each, self.values.get(each.name))
        wrong.raise_any()
        for name, pictures in self.added.items():
            parameters[name] = _with_pictures(parameters.get(name), pictures)
        parameters |= {**self.stored, **self.files}
        # The pictures that were kept come first; those that were chosen now follow.
        for name in {**self.stored_lists, **self.file_lists}:
            parameters[name] = [*self.stored_lists.get(name, ()), *self.file_lists.get(name, ())]
        given = {name: value for name, value in parameters.items() if value not in (None, "", [])}
        return explain_choice.gathered(
            # Not ticked, and so not asked for.
            {name: value for name, value in given.items() if name != FAITHFULNESS or value}
        )


def _with_pictures(items: Any, pictures: Sequence[Any]) -> Any:
    """Return the items of a list of adapters; those that name no pictures get the given ones."""
    if not pictures or not isinstance(items, list | None):
        return items
    # Without an adapter, the request is refused because it lacks the name.
    items = items or [{}]
    return [
        {**item, "images": list(pictures)} if isinstance(item, dict) and not item.get("images") else item
        for item in items
    ]


def _fits(each: FormField, value: Any) -> bool:
    if each.shape == "files":
        return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    if each.shape in ("checks", "lines", "adapters"):
        return isinstance(value, Sequence) and not isinstance(value, str)
    return isinstance(value, str | int | float)


def _value(each: FormField, form: FormData) -> Any:
    if each.shape == "checks":
        return [value for value in form.getlist(each.name) if isinstance(value, str)]
    if each.shape == "checkbox":
        return each.name in form
    value = form.get(each.name)
    # Browsers end the lines of a text with two characters.
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


def _parameter(each: FormField, value: Any) -> Any:
    if each.shape in ("lines", "adapters"):
        return short_forms.read(each.name, value) if isinstance(value, str) else value
    if each.name.startswith(explain_choice.PREFIX) and isinstance(value, str):
        return explain_choice.read_setting(each.name, value) if value.strip() else None
    if each.shape == "yes-no":
        return _YES_NO.get(value, value)
    if each.shape != "number" or not isinstance(value, str):
        return value
    text = value.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        return float(text) if text else None
    except ValueError:
        # The validation of the request names the field and says what it must be.
        return value
