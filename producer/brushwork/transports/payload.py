"""Prepare requests for HTTP: check that JSON can hold them, and read the pictures that they name."""

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.kinds.file_places import NO_FILE_YET, values_at, with_values
from brushwork_schemas.kinds.kind import ARCHIVE
from brushwork_schemas.kinds.registry import file_fields, file_patterns, media_type_at
from brushwork_schemas.wording.phrase import said
from pydantic import BaseModel

from brushwork.inputs.batch_errors import located
from brushwork.inputs.picture_files import sendable_picture

# Pictures of up to this size together are part of the request, so that a wrong request stores no file. Larger
# ones are uploaded before the request, each once.
MAX_INLINE_BYTES = 8 * 2**20
AUTOMATIC_KEY_PREFIX = "auto-"
_MARKS = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg", b"RIFF": "image/webp"}


def packed(requests: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the requests with pictures as names, URLs or bytes; data sets are left as they are.

    A request without an idempotency key gets a random one: if the response is lost and the request is sent
    again, it refers to the same job.

    Raises:
        RequestError: A request can't be sent. If there are several, the message starts with its index.
    """
    ready, wrong = [], Refusals()
    for index, request in enumerate(requests):
        with wrong.noted(), located(index, len(requests)):
            ready.append(_packed(request))
    wrong.raise_any()
    return ready


def encoded(content: Any) -> bytes:
    """Return `content`, which `packed` has checked, as JSON."""
    return json.dumps(content, allow_nan=False, ensure_ascii=False).encode()


def data_url(data: bytes) -> str:
    """Return a `data:` URL of a picture. The gateway checks that it is one."""
    media_type = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "image/png")
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _packed(request: Any) -> dict[str, Any]:
    if not isinstance(request, Mapping):
        name = type(request).__name__
        raise InvalidRequest(said("A request must be a mapping with a `kind`, not a {type}.", type=name))
    ready, wrong = dict[str, Any](), Refusals()
    first_frame = request.get("first_frame") is True
    given = values_at(request, file_patterns())
    others = with_values(dict(request), {place: NO_FILE_YET for place in given if "." in place})
    for name, value in others.items():
        if name not in file_fields():
            with wrong.noted():
                ready[name] = _sendable(name, value)
    for place, value in given.items():
        with wrong.noted():
            is_archive = media_type_at(place) == ARCHIVE
            file = value if is_archive else sendable_picture(value, place, first_frame=first_frame)
            ready = with_values(ready, {place: file})
    wrong.raise_any()
    if ready.get("idempotency_key") is None:
        ready["idempotency_key"] = f"{AUTOMATIC_KEY_PREFIX}{uuid.uuid4().hex}"
    return ready


def _sendable(name: str, value: Any) -> Any:
    try:
        plain = _plain(value)
        encoded(plain)
    except (TypeError, ValueError, RecursionError):
        raise InvalidRequest(
            said("{field}: this {type} can't be sent as JSON.", field=name, type=type(value).__name__),
            field=name,
        ) from None
    return plain


def _plain(value: Any) -> Any:
    """Return the value with pydantic models as mappings, such as the points of a request that is repeated."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
