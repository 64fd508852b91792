"""What is said over HTTP, without saying it: calls and answers, for both kinds of carrier."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeVar

Given = TypeVar("Given")


@dataclass(frozen=True)
class HttpRequest:
    """One request.

    Args:
        method: GET or POST.
        path: Below the gateway's address, with what is in it escaped.
        query: Behind the question mark.
        headers: Besides those that all requests have.
        content: The body, if it has one; one that may be larger than memory is an open file.
        files: Files of a form, by the names of their fields; `fields` are then the rest of it.
        fields: See `files`.
        held_s: The gateway may take so long on purpose.
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
    """What came back.

    Args:
        headers: Their names in small letters.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


class ConnectionLost(Exception):
    """A call that was not answered.

    Args:
        reason: In a few words.
        may_repeat: The connection failed; it was not the time that ran out.
    """

    def __init__(self, reason: str, *, may_repeat: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_repeat = may_repeat


@dataclass(frozen=True)
class Pause:
    """Nothing is to be said for so long."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """Something to be done here that an event loop should not wait for: files read, pictures encoded."""

    do: Callable[[], Any]


# The runner carries out each step and sends back an `HttpResponse` for a request, the value of `do` for work,
# and None for a pause. It raises `ConnectionLost` inside the generator if no answer came.
Talk = Generator[HttpRequest | Pause | Work, Any, Given]
