"""Problem details (RFC 9457) made errors again, by their stable codes."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from brushwork_schemas.errors import BrushworkError, Postponed, ServiceUnreachable

from brushwork.transports.exchange import HttpResponse

# Of several requests that were sent together: which, and what of it.
_PLACE = re.compile(r"requests\[(\d+)\](?:\.(.+))?")
SOON_S = 1.0


def error_of(answer: HttpResponse, address: str) -> BrushworkError:
    """The error that a bad answer tells of: as a direct client would raise it.

    Args:
        answer: Of a status that is no success.
        address: The gateway's, for the words of an answer that is no gateway's.
    """
    problem = _problem(answer)
    if problem is None:
        return ServiceUnreachable(
            f"What answers at {address} is no gateway of brushwork's, or something before it: "
            f"status {answer.status}.",
            field="url",
            hint="Check the client's address, or BRUSHWORK_URL.",
        )
    code, field, index = problem["code"], problem.get("field"), None
    if place := _PLACE.fullmatch(field or ""):
        index, field = int(place[1]), place[2]
    error = _error(code, problem, field, answer)
    error.index = index
    if index is not None and not error.message.startswith("requests["):
        error.message = f"requests[{index}]: {error.message}"
    return error


def _problem(answer: HttpResponse) -> dict[str, Any] | None:
    with suppress(ValueError):
        found = json.loads(answer.content)
        if isinstance(found, dict) and isinstance(found.get("code"), str):
            return found
    return None


def _error(code: str, problem: dict[str, Any], field: str | None, answer: HttpResponse) -> BrushworkError:
    known = _CLASSES.get(code, BrushworkError)
    message, hint = str(problem.get("detail", code)), problem.get("hint")
    if issubclass(known, Postponed):
        error: BrushworkError = known(message, retry_after_s=_seconds(answer), hint=hint)
        error.field = field
        return error
    error = known(message, field=field, hint=hint)
    if known.code != code:
        # A gateway that is newer than this client: programs may compare the code all the same.
        vars(error).update(code=code, fault=problem.get("fault", "machine"))
    return error


def _seconds(answer: HttpResponse) -> float:
    try:
        return max(0.0, float(answer.headers["retry-after"]))
    except (KeyError, ValueError):
        return SOON_S


def _all(of: type[BrushworkError]) -> Iterator[type[BrushworkError]]:
    yield of
    for narrower in of.__subclasses__():
        yield from _all(narrower)


_CLASSES = {known.code: known for known in reversed(list(_all(BrushworkError)))}
