"""The gateway's bound on the bytes of a request, where they come in pieces and nothing is announced."""

import asyncio
import json
from typing import Any

import pytest
from brushwork.gateway.admission.request_guard import RequestGuard

BOUND, PIECE = 4096, b" " * 1000
SCOPE = {
    **{"type": "http", "method": "POST", "path": "/v1/jobs", "root_path": "", "query_string": b""},
    "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
}


async def sent(num_pieces: int) -> tuple[int, list[dict[str, Any]]]:
    """A body of so many pieces: how many the application was given, and what was answered."""
    coming = [
        {"type": "http.request", "body": PIECE, "more_body": number < num_pieces}
        for number in range(1, num_pieces + 1)
    ]
    given, answer = [], []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while True:
            given.append(await receive())
            if not given[-1]["more_body"]:
                break
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def receive() -> dict[str, Any]:
        return coming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        answer.append(message)

    await RequestGuard(application, max_body_bytes=BOUND, max_dataset_bytes=BOUND)(dict(SCOPE), receive, send)
    return len(given), answer


@pytest.mark.parametrize("num_pieces", [5, 9])
def test_pieces_are_counted_together(num_pieces: int) -> None:
    num_given, answer = asyncio.run(sent(num_pieces))
    assert (num_given, answer[0]["status"]) == (4, 413)
    assert json.loads(answer[1]["body"])["code"] == "payload_too_large"


def test_as_many_as_are_allowed_pass() -> None:
    num_given, answer = asyncio.run(sent(4))
    assert (num_given, answer[0]["status"]) == (4, 201)
