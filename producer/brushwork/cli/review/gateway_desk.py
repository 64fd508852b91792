"""Held results at a gateway, for keys with the scope `admin`."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import JobNotFound, ServiceUnreachable
from brushwork_schemas.wording.phrase import said

from brushwork.cli.review.review_desk import PendingReview, ReviewDesk, ReviewFile
from brushwork.transports.connection import Connection
from brushwork.transports.flow import ConnectionLost, HttpRequest, HttpResponse
from brushwork.transports.job_path import job_segment
from brushwork.transports.retrying import Retrying
from brushwork.transports.runners import SyncRunner

PATH = "/v1/reviews"
# Seconds that one request waits in all because of Retry-After.
PATIENCE_S = 10.0
# `list` is a method below.
Losses = list[ConnectionLost]
_FIELDS = ("kind", "model", "tenant", "request", "result", "policy", "reason", "since")


@contextmanager
def gateway_desk() -> Iterator[ReviewDesk]:
    """Open connections to the gateway of the settings.

    Raises:
        InvalidRequest: The address is not a gateway's.
    """
    settings = Settings.load()
    key = None if settings.api_key is None else settings.api_key.get_secret_value()
    connection = Connection(settings.url or "", key, PATIENCE_S)
    runner = SyncRunner(connection)
    try:
        yield GatewayDesk(connection, runner)
    finally:
        runner.close()


class GatewayDesk(ReviewDesk):
    """Asks a gateway. Each method raises `Forbidden` if the key lacks the scope.

    Args:
        connection: How to reach the gateway.
        runner: Sends the requests.
    """

    def __init__(self, connection: Connection, runner: SyncRunner) -> None:
        self._runner = runner
        self._ask = Retrying(connection.address, connection.patience_s).response_to

    def list(self, limit: int) -> Sequence[PendingReview]:
        """Ask for the oldest ones."""
        found = _content(self._sent(HttpRequest("GET", PATH, query={"limit": str(limit)})))
        return [_review(each) for each in found["reviews"]]

    def get(self, job_id: str) -> PendingReview:
        """Ask for one."""
        return _review(_content(self._sent(HttpRequest("GET", _path(job_id)))))

    def content(self, job_id: str, file: ReviewFile) -> tuple[bytes, str]:
        """Download the file."""
        response = self._sent(HttpRequest("GET", f"{_path(job_id)}/files/{file.sha256}"))
        return response.content, response.headers.get("content-type", "")

    def release(self, job_id: str) -> None:
        """Ask the gateway to release it."""
        self._end(HttpRequest("POST", f"{_path(job_id)}/release"))

    def refuse(self, job_id: str, reason: str) -> None:
        """Ask the gateway to refuse it."""
        self._end(HttpRequest("POST", f"{_path(job_id)}/refuse", query={"reason": reason}))

    def _end(self, call: HttpRequest) -> None:
        lost: Losses = []
        try:
            self._sent(call, lost)
        except JobNotFound:
            # The request whose response was lost has ended the review.
            if not lost:
                raise

    def _sent(self, call: HttpRequest, lost: "Losses | None" = None) -> HttpResponse:
        return self._runner.run(self._ask(call, lost))


def _path(job_id: str) -> str:
    return f"{PATH}/{job_segment(job_id)}"


def _content(response: HttpResponse) -> dict[str, Any]:
    try:
        found = json.loads(response.content)
    except ValueError as error:
        raise _unreadable("it is not JSON") from error
    if not isinstance(found, dict):
        raise _unreadable("it is not a JSON object")
    return found


def _review(content: dict[str, Any]) -> PendingReview:
    try:
        fields = {"id": content["job_id"], **{name: content[name] for name in _FIELDS}}
        links = content["links"]
        files = tuple(
            ReviewFile(links[name].rpartition("/")[2]) for name in links if name.startswith("file:")
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise _unreadable("a review lacks a field") from error
    return PendingReview(fields, files)


def _unreadable(reason: str) -> ServiceUnreachable:
    return ServiceUnreachable(
        said("The gateway's response can't be read: {reason}.", reason=reason),
        field="url",
        hint="Check that the address is a gateway's, and that client and gateway have the same version.",
    )
