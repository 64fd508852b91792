"""Turn problem details (RFC 9457) into the errors that a direct client raises, by their error codes."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from brushwork_schemas.errors import BrushworkError, Postponed, RequestError, ServiceUnreachable

# Its classes are found by their codes below.
from brushwork_schemas.errors import store as store
from brushwork_schemas.wording.field_error import FieldError
from brushwork_schemas.wording.phrase import said
from pydantic import ValidationError

from brushwork.transports.flow import HttpResponse

# The field of an error in a batch: index of the request, and field of this request.
_INDEXED_FIELD = re.compile(r"requests\[(\d+)\](?:\.(.+))?")
DEFAULT_RETRY_AFTER_S = 1.0


def error_of(response: HttpResponse, address: str) -> BrushworkError:
    """Return the error that a direct client would raise for this response.

    Args:
        response: A response whose status is 300 or more.
        address: The gateway's address, for the message of a response that no gateway has sent.
    """
    problem = _problem(response)
    if problem is None:
        return ServiceUnreachable(
            said(
                "The server at {address} responded with status {status} and without an error "
                "code. It is not a brushwork gateway, or a proxy in front of it failed.",
                address=address,
                status=response.status,
            ),
            field="url",
            hint="Check the client's address, or BRUSHWORK_URL.",
        )
    code, field, index = problem["code"], problem.get("field"), None
    if found := _INDEXED_FIELD.fullmatch(field or ""):
        index, field = int(found[1]), found[2]
    error = _error(code, problem, field, response)
    error.index = index
    if isinstance(error, RequestError) and (errors := _field_errors(problem.get("errors"))):
        error.errors = errors
    if index is not None and not error.message.startswith("requests["):
        error.message = f"requests[{index}]: {error.message}"
    return error


def _field_errors(given: Any) -> list[FieldError]:
    """Return all wrong fields. An older gateway names only the first one, a newer one may add to them."""
    try:
        return [FieldError.model_validate(each) for each in given or ()]
    except (TypeError, ValidationError):
        return []


def _problem(response: HttpResponse) -> dict[str, Any] | None:
    with suppress(ValueError):
        found = json.loads(response.content)
        if isinstance(found, dict) and isinstance(found.get("code"), str):
            return found
    return None


def _error(code: str, problem: dict[str, Any], field: str | None, response: HttpResponse) -> BrushworkError:
    known = _CLASSES.get(code, BrushworkError)
    message, hint = str(problem.get("detail", code)), problem.get("hint")
    if issubclass(known, Postponed):
        error: BrushworkError = known(message, retry_after_s=_retry_after_s(response), hint=hint)
        error.field = field
        return error
    error = known(message, field=field, hint=hint)
    if known.code != code:
        # The gateway is newer than this client. Keep its code, so that programs can compare it.
        vars(error).update(code=code, fault=problem.get("fault", "machine"))
    return error


def _retry_after_s(response: HttpResponse) -> float:
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):
        return DEFAULT_RETRY_AFTER_S


def _with_subclasses(error_type: type[BrushworkError]) -> Iterator[type[BrushworkError]]:
    yield error_type
    for subclass in error_type.__subclasses__():
        yield from _with_subclasses(subclass)


_CLASSES = {known.code: known for known in reversed(list(_with_subclasses(BrushworkError)))}
