"""Flows: what a client does, as generators of steps that perform no I/O. Runners perform the steps."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, BinaryIO, Concatenate, ParamSpec, TypeVar

T = TypeVar("T")
_Transport = TypeVar("_Transport")
_Arguments = ParamSpec("_Arguments")


@dataclass(frozen=True)
class HttpRequest:
    """One HTTP request.

    Args:
        method: `GET`, `POST` or `DELETE`.
        path: Path below the gateway's address, already escaped.
        query: Query parameters.
        headers: Headers beside those that every request has.
        content: The body. A body that may be larger than memory is an open file.
        files: Files of a multipart form, by field name. The other fields of the form are in `fields`.
        fields: Fields of a multipart form that are not files.
        held_s: Seconds by which the gateway may delay its response on purpose; the read timeout is longer by
            as much.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | BinaryIO | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    held_s: float = 0.0


@dataclass(frozen=True)
class HttpResponse:
    """The response to an `HttpRequest`.

    Args:
        status: HTTP status code.
        headers: Headers; their names are in lower case.
        content: The body.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


class ConnectionLost(Exception):
    """An HTTP request got no response.

    Args:
        reason: The reason in a few words.
        may_repeat: True if the connection failed, so that the request may be sent again. False after a
            timeout.
    """

    def __init__(self, reason: str, *, may_repeat: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_repeat = may_repeat


@dataclass(frozen=True)
class Pause:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """Call `do`. It blocks (files, database, picture encoding), so an event loop calls it in a thread."""

    do: Callable[[], Any]


# A runner performs each step and sends back its value: an `HttpResponse` for a request, the return value of
# `do` for work, None for a pause. If a step raises an exception, the runner throws it into the generator.
Step = HttpRequest | Pause | Work
Flow = Generator[Step, Any, T]


def blocking(
    method: Callable[Concatenate[_Transport, _Arguments], T],
) -> Callable[Concatenate[_Transport, _Arguments], Flow[T]]:
    """Make a flow of one step from a method that blocks, such as one that queries the database."""

    @wraps(method)
    def flow(transport: _Transport, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Flow[T]:
        value: T = yield Work(lambda: method(transport, *args, **kwargs))
        return value

    return flow
