"""Errors as RFC 9457 problem details: `application/problem+json` with the stable codes of `errors.py`."""

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus

from brushwork_schemas import errors
from brushwork_schemas.errors import BrushworkError, Fault, Postponed
from brushwork_schemas.validation import first_invalid
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

LOGGER = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
# How soon what does not answer now may be asked again.
RETRY_AFTER_S = 2
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
STATUS: dict[type[BrushworkError], int] = {
    errors.JobNotFound: 404,
    errors.FileNotFound: 404,
    errors.EventNotFound: 404,
    errors.KeyNotFound: 404,
    errors.ArtifactMissing: 404,
    errors.IdempotencyConflict: 409,
    errors.JobNotEnded: 409,
    errors.PayloadTooLarge: 413,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.RateLimited: 429,
    errors.BudgetExceeded: 429,
    errors.QueueFull: 429,
    errors.ServiceUnreachable: 503,
    errors.TooManyStreams: 503,
    errors.RequestError: 422,
}


class Problem(BaseModel):
    """What went wrong, whose fault it was, and what to do."""

    type: str = Field("about:blank", description="Always about:blank; `code` tells problems apart.")
    title: str = Field(description="The status in words.")
    status: int = Field(ge=400, le=599)
    code: str = Field(description="Stable: programs may compare it.", examples=["invalid_request"])
    detail: str = Field(description="What happened, in a sentence.")
    fault: Fault = Field(description="Whose fault it was.")
    field: str | None = Field(None, description="The parameter it is about.")
    hint: str | None = Field(None, description="What to do about it.")


def problem_response(
    status: int,
    code: str,
    detail: str,
    *,
    fault: Fault = "caller",
    field: str | None = None,
    hint: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer that tells of a problem."""
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        fault=fault,
        field=field,
        hint=hint,
    )
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def status_of(error: BrushworkError) -> int:
    """The status for an error: that of the nearest of its classes."""
    return next((STATUS[known] for known in type(error).__mro__ if known in STATUS), 500)


def install(app: FastAPI) -> None:
    """Have every error of `app` answered as a problem."""
    app.add_exception_handler(BrushworkError, _of_one)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_one)
    app.add_exception_handler(Exception, _of_a_bug)


def answer_to(error: BrushworkError | HTTPException) -> JSONResponse:
    """The answer to a request that ended with this error."""
    if isinstance(error, HTTPException):
        code = HTTPStatus(error.status_code).name.lower()
        return problem_response(error.status_code, code, f"{error.detail}.", headers=error.headers)
    status = status_of(error)
    return problem_response(
        status,
        error.code,
        error.message,
        fault=error.fault,
        field=error.field,
        hint=error.hint,
        headers=headers_of(error),
    )


def headers_of(error: BrushworkError) -> dict[str, str]:
    """What an answer that tells of this error says beside its body: when to come again, or with what."""
    status = status_of(error)
    if isinstance(error, Postponed):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(RETRY_AFTER_S)}
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="brushwork"'}
    return {}


async def _of_one(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BrushworkError | HTTPException)  # noqa: S101 - for the type checker
    answer = answer_to(error)
    if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = ", ".join(_methods_of(request))
    return answer


def _methods_of(request: Request) -> list[str]:
    """What the address can be asked; the router names only the methods of the first route that it meets."""
    return [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    ]


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - for the type checker
    # The first part of the place is path, query, header or body.
    wrong = first_invalid(error.errors(), skip=1)
    field = wrong.name or first_invalid(error.errors()).name
    return problem_response(422, "invalid_request", f"{field}: {wrong.reason}.", field=field)


async def _of_a_bug(request: Request, error: Exception) -> JSONResponse:
    LOGGER.error("%s %s ended in a bug", request.method, request.url.path, exc_info=error)
    return problem_response(
        500,
        "internal",
        f"The gateway met a bug ({type(error).__name__}); its log has the traceback.",
        fault="machine",
    )
