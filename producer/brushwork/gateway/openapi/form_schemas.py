"""Schemas of forms that submit a job: the request as JSON, and its files as files.

A form is not described by kind, but by the files that it has: kinds with the same files have the same form.
"""

from collections.abc import Sequence

from brushwork_schemas.kinds.file_places import MOST_ITEMS
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import all_kinds, file_fields

from brushwork.gateway.bodies.form_fields import REQUEST_FIELD
from brushwork.gateway.media_types import JSON
from brushwork.gateway.openapi.answer_schemas import Schema
from brushwork.gateway.openapi.kind_schemas import KindSchemas, ref

Files = tuple[str, ...]


def forms_of(kinds: KindSchemas) -> dict[Files, list[Kind]]:
    """Return the kinds by the files that a form may bring for them.

    A kind has a form with its required files, and one more for each optional file.

    Args:
        kinds: Knows which fields the catalogue's models accept.
    """
    found: dict[Files, list[Kind]] = {}
    for kind in all_kinds().values():
        fields = kinds.changes(kind)["properties"]
        known = [name for name in (*kind.files, *kind.file_lists) if name in fields]
        required = [name for name in known if kind.request_type.model_fields[name].is_required()]
        optional = [name for name in known if name not in required]
        for more in ([], *([name] for name in optional)):
            found.setdefault(tuple(sorted([*required, *more])), []).append(kind)
    return found


def form_name(files: Sequence[str]) -> str:
    """Return the name of the form with these files, such as `FormWithImage`."""
    return "FormWith" + ("And".join(name.title().replace("_", "") for name in files) or "outFiles")


def request_format(files: Sequence[str]) -> str:
    """Return the `format` of the request in a form with these files."""
    return "-".join(("json-request-with", *(files or ["no-files"]))).replace("_", "-")


def forms(kinds: KindSchemas) -> dict[str, Schema]:
    """Return the schemas of all forms by name, and of their union `SubmissionForm`."""
    by_files = forms_of(kinds)
    found = {form_name(files): _form(files, known) for files, known in by_files.items()}
    names = dict.fromkeys(name for files in by_files for name in files)
    found["SubmissionForm"] = {
        "type": "object",
        # Again for tools that read only the properties of a form, not the schemas inside of anyOf.
        "properties": {REQUEST_FIELD: _request(), **{name: _file(name) for name in names}},
        "required": [REQUEST_FIELD],
        "anyOf": [ref(form_name(files)) for files in by_files],
        "description": "The request as JSON, and its files. Instead of the field `request`, each parameter "
        "and option may be a field of the form.",
    }
    return found


def _form(files: Files, kinds: Sequence[Kind]) -> Schema:
    return {
        "type": "object",
        "description": f"A form of {', '.join(kind.name for kind in kinds)}.",
        "properties": {
            REQUEST_FIELD: {**_request(), "format": request_format(files)},
            **{name: _file(name) for name in files},
        },
        "required": [REQUEST_FIELD, *files],
        "additionalProperties": False,
    }


def _request() -> Schema:
    return {
        "type": "string",
        "contentMediaType": JSON,
        "description": "The request with its `kind` and its options as JSON, without the files of the form.",
    }


def _file(name: str) -> Schema:
    takers = [kind for kind in all_kinds().values() if name in kind.files or name in kind.file_lists]
    kinds = ", ".join(kind.name for kind in takers)
    lists = {field: sort for kind in takers for field, sort in kind.file_lists.items()}
    file = {
        "type": "string",
        "format": "binary",
        "contentMediaType": lists[name] if name in lists else file_fields()[name],
    }
    if name not in lists:
        return {**file, "description": f"A file of {kinds}."}
    most = min(_most_files(kind, name) for kind in takers)
    description = f"Files of {kinds}: one part of the form for each, all with this name."
    return {"type": "array", "items": file, "minItems": 1, "maxItems": most, "description": description}


def _most_files(kind: Kind, name: str) -> int:
    schema = kind.request_type.model_json_schema()["properties"][name]
    return int(schema.get("maxItems", MOST_ITEMS))
