"""Requests made ready to be sent: words that JSON can hold, files that travel along or ahead."""

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.kind import ARCHIVE
from brushwork_schemas.kinds.registry import file_fields
from pydantic import BaseModel

from brushwork.inputs.image_input import payload
from brushwork.inputs.intake import located

# More than that of pictures goes ahead, each once; less goes along, so that a wrong request leaves no file.
MOST_ALONG_BYTES = 8 * 2**20
AUTOMATIC = "auto-"
_MARKS = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg", b"RIFF": "image/webp"}


def packed(requests: Sequence[Any]) -> list[dict[str, Any]]:
    """The requests as they are to be sent: a picture is a name, an address or bytes, a data set as it is.

    Each bears an idempotency key, its caller's or one that is drawn: sent again because the answer was lost,
    it stands for the same job.

    Raises:
        RequestError: One can't be sent; the message starts with its index where there are several.
    """
    ready = []
    for index, request in enumerate(requests):
        with located(index, len(requests)):
            ready.append(_packed(request))
    return ready


def encoded(content: Any) -> bytes:
    """JSON of what `packed` let pass."""
    return json.dumps(content, allow_nan=False, ensure_ascii=False).encode()


def data_address(data: bytes) -> str:
    """A `data:` address of a picture; whether it is one, its receiver says."""
    media_type = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "image/png")
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _packed(request: Any) -> dict[str, Any]:
    if not isinstance(request, Mapping):
        raise InvalidRequest(f"A request must be a mapping with a `kind`, not a {type(request).__name__}.")
    ready = {name: _sendable(name, value) for name, value in request.items() if name not in file_fields()}
    for name, sort in file_fields().items():
        if (given := request.get(name)) is not None:
            ready[name] = given if sort == ARCHIVE else payload(given, name)
    if ready.get("idempotency_key") is None:
        ready["idempotency_key"] = f"{AUTOMATIC}{uuid.uuid4().hex}"
    return ready


def _sendable(name: str, value: Any) -> Any:
    try:
        plain = _plain(value)
        encoded(plain)
    except (TypeError, ValueError, RecursionError):
        raise InvalidRequest(
            f"{name}: a {type(value).__name__} like this can't be sent.", field=name
        ) from None
    return plain


def _plain(value: Any) -> Any:
    """The value with mappings in place of models, such as the points of a job that is submitted again."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
