"""What schemathesis can't make up from a schema: pictures, their names, cursors, addresses of receivers."""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import schemathesis
from brushwork.gateway.openapi.form_schemas import forms_of, request_format
from brushwork.gateway.openapi.kind_schemas import KindSchemas
from brushwork_core.media.archive_type import ENDINGS
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.cursor import Cursor
from brushwork_schemas.kinds.kind import ARCHIVE, Kind
from brushwork_schemas.kinds.registry import all_kinds, file_fields
from brushwork_schemas.options import JobOptions
from hypothesis import strategies as st
from schemathesis.transport.serialization import Binary

from tests.clients import png

# Plain ones: stored as they are, so that their names are known beforehand.
PICTURES = [png(colour) for colour in ("red", "green", "blue")]
NAMES = [hashlib.sha256(picture).hexdigest() for picture in PICTURES]
# As long as nobody trains on it, an archive is whatever begins as one.
ARCHIVES = [b"PK\x03\x04", b"PK\x03\x04 of cats and dogs"]
ARCHIVE_NAMES = [hashlib.sha256(archive).hexdigest() for archive in ARCHIVES]
DATA = [f"data:image/png;base64,{base64.b64encode(picture).decode()}" for picture in PICTURES]
CURSORS = [Cursor(datetime(2026, 1, day, tzinfo=UTC), f"job-{day}").text for day in (1, 2, 3)]
RECEIVERS = ["https://receiver.example/hook", "http://receiver.example:8080/a?b=c", "HTTPS://x-y.example"]
OPTIONS = JobOptions.model_fields
CATALOGUE = Catalogue.load()
# What goes together with something else, in a way of each model's own: so do most special fields.
BY_MODEL = ("strength", "control_image", "controlnet_conditioning_scale")
ALONE = {"negative_prompt", "prompt", "seed", "clip_skip", "scheduler"}
LIMITS = {
    "width": "max_side",
    "height": "max_side",
    "num_inference_steps": "max_steps",
    "num_images_per_prompt": "max_images",
    "num_frames": "max_frames",
}


CONTROLNET = next(each for each in CATALOGUE.add_ons if each.type == "controlnet")


def _without_files(kind: Kind, form: Sequence[str]) -> str:
    """A request that goes together with a form with these files."""
    parameters = {name: value for name, value in kind.example.items() if name not in kind.files}
    if "control_image" in form:
        parameters["controlnet"] = CONTROLNET.name
        parameters["model"] = next(
            each.name for each in CATALOGUE.of_kind(kind.name) if each.family == CONTROLNET.family
        )
    return json.dumps({"kind": kind.name, **parameters})


FORMATS = {
    "sha256": NAMES,
    "archive-sha256": ARCHIVE_NAMES,
    "data-url": DATA,
    "cursor": CURSORS,
    "http-url": RECEIVERS,
    # In a form, a request is without its files.
    **{
        request_format(files): [_without_files(kind, files) for kind in kinds]
        for files, kinds in forms_of(KindSchemas(CATALOGUE)).items()
    },
}

for name, values in FORMATS.items():
    schemathesis.openapi.format(name, st.sampled_from(values))
pictures = st.sampled_from(PICTURES)
schemathesis.openapi.format("binary", pictures.map(Binary))
for media_type in ("image/png", "image/jpeg", "image/webp"):
    schemathesis.openapi.media_type(media_type, pictures)
for media_type in ENDINGS:
    schemathesis.openapi.media_type(media_type, st.sampled_from(ARCHIVES))


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    """Put an archive into a good form in place of a picture: both are `binary`."""
    if isinstance(case.body, dict) and isinstance(case.body.get("dataset"), Binary):
        case.body["dataset"] = Binary(ARCHIVES[0])
    return case


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out a form with one file that is said to violate the schema of uploads, and does not.

    schemathesis compares no form that has a file with the schema, so a name that it made up may be the right
    one.
    """
    is_upload = case.operation.definition.raw.get("operationId") == "upload_file"
    is_good = isinstance(case.body, dict) and case.body.keys() == {"file"}
    is_good = is_good and isinstance(case.body["file"], Binary)
    is_meant = case.meta is None or case.meta.generation.mode.is_positive
    return not (is_upload and is_good) or is_meant


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Give good data a meaning: no schema says that lists are of one length, or what each model knows."""
    operation = case.operation.definition.raw.get("operationId")
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if not isinstance(case.body, dict):
        return
    if operation == "submit_job" and "kind" in case.body:
        _fit(case.body, case.body["kind"])
    if operation == "submit_batch":
        _complete_batch(case.body)
    if operation == "retry_job":
        case.body = {name: value for name, value in case.body.items() if name in OPTIONS}


def _complete_batch(body: dict[str, Any]) -> None:
    for request in body.get("requests", ()):
        _fit(request, request["kind"])
    template = body.get("template", {})
    lists = body.get("zip") or body.get("product") or {}
    for name, values in lists.items():
        lists[name] = values[:1]
        template.pop(name, None)
    kind = template.get("kind")
    if kind not in all_kinds():
        return
    _fit(template, kind)
    for name in set(lists) - {"kind"}:
        lists[name] = [
            value for value in (_fitted(name, each, kind) for each in lists[name]) if value is not None
        ]
        if not lists[name]:
            del lists[name]
    if not lists:
        template.pop("deterministic", None)
        lists["deterministic"] = [False]
    for name, field in all_kinds()[kind].request_type.model_fields.items():
        if field.is_required() and name not in lists:
            template.setdefault(name, _example(name))


def _fit(request: dict[str, Any], kind: str) -> None:
    """Leave what the kind's first model knows: the schema is as wide as all of them together."""
    for name in list(request):
        value = _fitted(name, request[name], kind)
        if value is None:
            del request[name]
        else:
            request[name] = value


def _fitted(name: str, value: Any, kind: str) -> Any:
    request, model = all_kinds()[kind].request_type, CATALOGUE.of_kind(kind)[0]
    if name == "model" or name in BY_MODEL or name in request.SPECIAL - (ALONE & set(model.accepts)):
        return None
    if name == "scheduler" and value not in model.schedulers:
        return None
    if name in request.model_fields and not model.accepts_field(kind, name):
        return None
    if name == "explain" and isinstance(value, dict):
        # Words must be those of the prompt, and the number of calls depends on the picture.
        return {each: value[each] for each in ("method", "target", "fill", "faithfulness") if each in value}
    if name == "images" and isinstance(value, list) and model.pipeline is not None:
        value = value[: model.pipeline.max_input_images]
    if name == "num_inference_steps" and value == 1 and "strength" in request.model_fields:
        # One step times the default strength rounds to no step.
        value = 2
    most = LIMITS.get(name)
    return min(value, getattr(model.limits, most)) if most and value is not None else value


def _example(name: str) -> str:
    if name not in file_fields():
        return "x"
    return ARCHIVE_NAMES[0] if file_fields()[name] == ARCHIVE else NAMES[0]
