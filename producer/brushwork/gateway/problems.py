"""Errors as RFC 9457 problem details: `application/problem+json` with the codes of the schemas' errors.

Every refusal is a `BrushworkError` before it becomes an answer, also where the web framework refused.
"""

import errno
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from brushwork_schemas import errors
from brushwork_schemas.errors import (
    BrushworkError,
    Fault,
    Postponed,
    RequestError,
    RouteNotFound,
    ServiceUnreachable,
    store,
)
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.wording.disclosure import for_reader, is_private
from brushwork_schemas.wording.field_error import FieldError
from brushwork_schemas.wording.phrase import either, said
from brushwork_schemas.wording.translation import chosen_language, read_in, reader_language, translated
from brushwork_schemas.wording.validation import place_of, reason_of_problem
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

ErrorPage = Callable[[Request, BrushworkError], Response]
LOGGER = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
# Retry-After of answers with status 503, in seconds.
RETRY_AFTER_S = 2
SHOWN_CHARACTERS = 200
# The machine has no room, or no file descriptors. Neither is a bug, nor the fault of a request.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EROFS)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# A class that is not listed has the status of its nearest base; a class without such a base has 500.
STATUS: dict[type[BrushworkError], int] = {
    errors.RequestError: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.PolicyRefused: 403,
    errors.QuotaExceeded: 403,
    errors.RouteNotFound: 404,
    errors.JobNotFound: 404,
    errors.FileNotFound: 404,
    errors.EventNotFound: 404,
    errors.KeyNotFound: 404,
    errors.ArtifactMissing: 404,
    errors.MethodNotAllowed: 405,
    errors.RequestTimeout: 408,
    errors.IdempotencyConflict: 409,
    errors.JobNotEnded: 409,
    errors.PayloadTooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.RangeNotSatisfiable: 416,
    errors.InvalidRequest: 422,
    errors.UnknownKind: 422,
    errors.UnknownModel: 422,
    errors.InvalidImage: 422,
    errors.InvalidDataset: 422,
    errors.AddressRefused: 422,
    errors.RateLimited: 429,
    errors.BudgetExceeded: 429,
    errors.QueueFull: 429,
    errors.HeadersTooLarge: 431,
    errors.BrushworkError: 500,
    errors.PluginFailed: 500,
    errors.PolicyFailed: 503,
    errors.ServiceUnreachable: 503,
    errors.ServiceMisconfigured: 503,
    store.BucketMissing: 503,
    store.StoreDenied: 503,
    store.WrongRegion: 503,
    store.StoreMisconfigured: 503,
    store.StoreFull: 503,
    store.StoreReadOnly: 503,
    errors.TooManyStreams: 503,
    errors.TooManyConnections: 503,
    errors.TooManyUploads: 503,
}
# The errors that Starlette and FastAPI raise themselves; other client errors become a RequestError.
_OF_FRAMEWORK: dict[int, type[RequestError]] = {
    404: errors.RouteNotFound,
    405: errors.MethodNotAllowed,
    413: errors.PayloadTooLarge,
    415: errors.UnsupportedMediaType,
    416: errors.RangeNotSatisfiable,
    431: errors.HeadersTooLarge,
}


class Problem(BaseModel):
    """What went wrong, whose fault it was, and how to fix it."""

    type: str = Field("about:blank", description="Always about:blank; `code` identifies the problem.")
    title: str = Field(description="The name of the HTTP status.")
    status: int = Field(ge=400, le=599, description="The HTTP status.")
    code: str = Field(
        description="Identifies the problem. Stable: programs may compare it.", examples=["invalid_request"]
    )
    detail: str = Field(description="What went wrong, in one sentence. The words may change.")
    fault: Fault = Field(description="Who can fix it: the caller, the machine, or its operator.")
    field: str | None = Field(None, description="The parameter that is wrong, if one is.")
    hint: str | None = Field(None, description="How to fix it.")
    errors: list[FieldError] | None = Field(
        None,
        description="For a refused request, everything that is wrong with it, each field once. The first one "
        "is the problem itself.",
    )


def problem_response(
    status: int,
    code: str,
    detail: str,
    *,
    fault: Fault = "caller",
    field: str | None = None,
    hint: str | None = None,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return a problem as an answer, in the language of the reader."""
    language, is_own = reader_language(), fault == "caller"
    detail, hint = for_reader(detail, is_own=is_own), hint and for_reader(hint, is_own=is_own)
    problem = Problem(
        title=translated(HTTPStatus(status).phrase, language),
        status=status,
        code=code,
        detail=translated(detail, language),
        fault=fault,
        field=field,
        hint=None if hint is None else translated(hint, language),
        errors=[each.for_reader(is_own=is_own).in_language(language) for each in errors] or None,
    )
    content = problem.model_dump(exclude_none=True)
    in_language = {"Content-Language": language, "Vary": "Accept-Language"}
    return JSONResponse(content, status, headers={**in_language, **(headers or {})}, media_type=MEDIA_TYPE)


def status_of(error: BrushworkError) -> int:
    """Return the HTTP status of an error: that of its nearest class in `STATUS`."""
    return next(STATUS[known] for known in type(error).__mro__ if known in STATUS)


def codes_of(status: int) -> Sequence[str]:
    """Return the codes of the errors that are answered with a status."""
    return [kind.code for kind, known in STATUS.items() if known == status]


def install(app: FastAPI, error_page: ErrorPage | None = None) -> None:
    """Make `app` answer every error with a problem.

    Args:
        app: The application.
        error_page: Returns an error as a page, for browsers at an address that does not exist.
    """

    async def answer(request: Request, error: Exception) -> Response:
        is_browser = "text/html" in request.headers.get("accept", "")
        is_lost = isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND
        if is_browser and is_lost and error_page is not None:
            lost = RouteNotFound(said("There is no path {path}.", path=_shown_path(request)))
            return await run_in_threadpool(error_page, request, lost)
        return await _answer(request, error)

    app.add_exception_handler(BrushworkError, _answer)
    app.add_exception_handler(RequestValidationError, _answer)
    app.add_exception_handler(HTTPException, answer)
    app.add_exception_handler(OSError, _answer_to_machine)
    app.add_exception_handler(Exception, _answer_to_bug)


def answer_to(error: BrushworkError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the answer to a request that ended with this error.

    Args:
        error: The error.
        headers: More headers of the answer.
    """
    return problem_response(
        status_of(error),
        error.code,
        error.message,
        fault=error.fault,
        field=error.field,
        hint=error.hint,
        errors=error.errors if isinstance(error, RequestError) and error.field else (),
        headers={**headers_of(error), **(headers or {})},
    )


def headers_of(error: BrushworkError) -> dict[str, str]:
    """Return the headers of an answer with this error: `Retry-After` or `WWW-Authenticate`."""
    status = status_of(error)
    if isinstance(error, Postponed):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(RETRY_AFTER_S)}
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="brushwork"'}
    return {}


def invalid_request(problems: Sequence[Mapping[str, Any]], *, skipped: int = 0) -> RequestError:
    """Return pydantic's errors in words.

    Args:
        problems: What `errors()` of a validation error returns.
        skipped: How many parts at the start of the location do not belong to the field's name.
    """
    wrong = Refusals()
    for each in problems:
        field = place_of(each, skip=skipped) or place_of(each) or "body"
        message = said("{field}: {reason}.", field=field, reason=reason_of_problem(each))
        wrong.note(FieldError.of(message, code=str(each.get("type", "")), field=field))
    return wrong.gathered()


def no_room(error: OSError) -> ServiceUnreachable | None:
    """Return the error for a machine without room or file descriptors; None for another error."""
    if error.errno not in FULL:
        return None
    return ServiceUnreachable(
        said("The gateway cannot store the request for now: {reason}.", reason=os.strerror(error.errno or 0)),
        hint="Try again later. The operator makes room in the temporary folder of the gateway.",
    )


async def _answer(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, RequestValidationError):
        # The first part of a location is path, query, header or body.
        return answer_to(invalid_request(error.errors(), skipped=1))
    if isinstance(error, HTTPException):
        allowed = _methods_of(request) if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else []
        headers = {"Allow": ", ".join(allowed)} if allowed else {}
        return answer_to(_coded(error, request, allowed), headers)
    assert isinstance(error, BrushworkError)  # noqa: S101 - for the type checker
    log_hidden(error, request.method, request.url.path)
    return answer_to(error)


def log_hidden(error: BrushworkError, method: str, path: str) -> None:
    """Log an error whose answer does not say everything: the log is where the operator reads it in full."""
    if error.fault != "caller" or is_private(error.message) or is_private(error.hint):
        # Without the query, which may contain a prompt.
        LOGGER.warning("%s %s was answered with %s: %s", method, ascii(path)[1:-1], error.code, error)


def _coded(error: HTTPException, request: Request, allowed: Sequence[str]) -> BrushworkError:
    """Return an error of the web framework as one that has a code."""
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return BrushworkError(said("{detail}.", detail=error.detail))
    kind = _OF_FRAMEWORK.get(error.status_code, RequestError)
    path = _shown_path(request)
    if kind is errors.MethodNotAllowed:
        return kind(
            said("{path} does not support {method}.", path=path, method=request.method),
            hint=said("Use {methods}.", methods=either(allowed)),
        )
    if kind is errors.RouteNotFound and error.detail == HTTPStatus.NOT_FOUND.phrase:
        return kind(said("There is no path {path}.", path=path), hint="GET /v1/openapi.json lists all paths.")
    return kind(said("{detail}.", detail=error.detail))


def _shown_path(request: Request) -> str:
    return ascii(request.url.path)[1:-1][:SHOWN_CHARACTERS]


def _methods_of(request: Request) -> list[str]:
    """Return the methods of a path. The router knows only those of the first route that matches."""
    found = {
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    }
    # HEAD is answered wherever GET is.
    return [method for method in METHODS if method in found or (method == "HEAD" and "GET" in found)]


async def _answer_to_machine(request: Request, error: Exception) -> Response:
    full = no_room(error) if isinstance(error, OSError) else None
    if full is None:
        return await _answer_to_bug(request, error)
    LOGGER.error("%s %s failed: %s", request.method, request.url.path, error)
    return answer_to(full)


async def _answer_to_bug(request: Request, error: Exception) -> JSONResponse:
    LOGGER.error("%s %s failed with an unexpected error", request.method, request.url.path, exc_info=error)
    # This handler runs outside of the request guard, which sets the language of the reader.
    with read_in(chosen_language(request.headers.get("accept-language", ""))):
        return answer_to(
            BrushworkError(
                said(
                    "The gateway failed with an unexpected {type}. Its log has the traceback.",
                    type=type(error).__name__,
                )
            )
        )
