"""What schemathesis can't make up from a schema: pictures, their names, cursors, addresses of receivers."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import schemathesis
from brushwork_schemas.cursor import Cursor
from brushwork_schemas.options import JobOptions
from hypothesis import strategies as st
from schemathesis.transport.serialization import Binary

from tests.clients import png

# Plain ones: stored as they are, so that their names are known beforehand.
PICTURES = [png(colour) for colour in ("red", "green", "blue")]
NAMES = [hashlib.sha256(picture).hexdigest() for picture in PICTURES]
DATA = [f"data:image/png;base64,{base64.b64encode(picture).decode()}" for picture in PICTURES]
CURSORS = [Cursor(datetime(2026, 1, day, tzinfo=UTC), f"job-{day}").text for day in (1, 2, 3)]
RECEIVERS = ["https://receiver.example/hook", "http://receiver.example:8080/a?b=c", "HTTPS://x-y.example"]
REQUESTS = [
    '{"kind":"image-classification","top_k":2}',
    '{"kind":"image-to-text"}',
    '{"kind":"image-segmentation"}',
]
OPTIONS = JobOptions.model_fields
FORMATS = {
    "sha256": NAMES,
    "data-url": DATA,
    "cursor": CURSORS,
    "http-url": RECEIVERS,
    "json-request": REQUESTS,
}

for name, values in FORMATS.items():
    schemathesis.openapi.format(name, st.sampled_from(values))
pictures = st.sampled_from(PICTURES)
schemathesis.openapi.format("binary", pictures.map(Binary))
for media_type in ("image/png", "image/jpeg", "image/webp"):
    schemathesis.openapi.media_type(media_type, pictures)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Give good data a meaning: no schema says that lists are of one length, or of what kind a job is."""
    operation = case.operation.definition.raw.get("operationId")
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if not isinstance(case.body, dict):
        return
    if operation == "submit_batch":
        lists = case.body.get("zip") or case.body.get("product") or {}
        template = case.body.get("template", {})
        for name, values in lists.items():
            lists[name] = values[:1]
            template.pop(name, None)
        _complete(template, lists)
    if operation == "retry_job":
        case.body = {name: value for name, value in case.body.items() if name in OPTIONS}


def _complete(template: dict[str, Any], lists: dict[str, Any]) -> None:
    needed = {"prompt": "x"} if template.get("kind") == "text-to-image" else {"image": NAMES[0]}
    for name, value in needed.items():
        if name not in lists:
            template.setdefault(name, value)
