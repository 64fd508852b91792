"""Callers who speak plain HTTP, without a library of ours: each submits one job and waits for its end."""

import http.client
import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

# What a caller repeats: the same request, with the same key, after what Retry-After says.
REPEATED = (429, 502, 503, 504)
PAUSE_S = 1.0
ANSWER_S = 90.0
ENDED = ("succeeded", "failed", "canceled", "expired")
# A caller that needs more has failed; it goes on, to tell a lost job from a late one.
MOST_REPEATS = 30


class ServiceAway(Exception):
    """A request had no answer, or one that asks to repeat it."""

    def __init__(self, reason: str, pause_s: float) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


@dataclass
class Story:
    """What one caller met.

    Args:
        job_id: Of its job; empty if none was accepted.
        state: The last state that it saw.
        repeats: Why it had to repeat a request, once for each time.
        seconds: From the first request to the end of the job.
        job: The job as it was answered last.
    """

    job_id: str = ""
    state: str = ""
    repeats: list[str] = field(default_factory=list)
    seconds: float = 0.0
    job: dict[str, Any] = field(default_factory=dict)


class HttpCaller:
    """Sends requests, each over a connection of its own.

    Args:
        address: Of the gateway, or of the proxy before it.
        key: An API key.
    """

    def __init__(self, address: str, key: str) -> None:
        self._address = urlsplit(address)
        self._key = key

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """Return the status and the body of one answer.

        Raises:
            ServiceAway: There was no answer, or one that asks to repeat the request.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(
            self._address.hostname or "", self._address.port, timeout=ANSWER_S
        )
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {self._key}", **named})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServiceAway(f"{method}: {type(error).__name__}", PAUSE_S) from error
        finally:
            connection.close()
        if answer.status in REPEATED:
            pause_s = float(answer.headers.get("Retry-After") or PAUSE_S)
            raise ServiceAway(f"{method}: {answer.status} {content[:200]!r}", pause_s)
        return answer.status, content

    def upload(self, content: bytes, media_type: str) -> str:
        """Store a file, and return its name."""
        status, answer = self.send("POST", "/v1/files", content, Content_Type=media_type)
        assert status in (200, 201), answer
        return str(json.loads(answer)["sha256"])

    def ask(self, request: Mapping[str, Any], *, wait_s: int = 50) -> Story:
        """Submit a job and wait for its end; repeat what was not answered."""
        story, began = Story(), time.monotonic()
        body = json.dumps(request).encode()
        headers = {"Content_Type": "application/json", "Idempotency_Key": uuid.uuid4().hex}
        waits = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        self._follow(story, "POST", "/v1/jobs", body, **headers, **waits)
        while story.job_id and story.state not in ENDED and len(story.repeats) < MOST_REPEATS:
            time.sleep(0.5)
            self._follow(story, "GET", f"/v1/jobs/{story.job_id}")
        story.seconds = time.monotonic() - began
        return story

    def _follow(self, story: Story, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        while len(story.repeats) < MOST_REPEATS:
            try:
                status, content = self.send(method, path, body, **headers)
            except ServiceAway as away:
                story.repeats.append(str(away))
                time.sleep(away.pause_s)
                continue
            assert status in (200, 201), (method, path, status, content)
            story.job = json.loads(content)
            story.job_id, story.state = story.job["id"], story.job["state"]
            return


class Crowd:
    """Callers that begin one after the other, each in a thread.

    Args:
        caller: Sends their requests.
    """

    def __init__(self, caller: HttpCaller) -> None:
        self._caller = caller
        self._threads: list[threading.Thread] = []
        self.stories: list[Story] = []
        self.errors: list[str] = []

    def begin(self, request: Mapping[str, Any]) -> None:
        """Let one more caller begin."""
        thread = threading.Thread(target=self._live, args=[request], daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self, bound_s: float) -> None:
        """Wait until all have ended."""
        deadline = time.monotonic() + bound_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _live(self, request: Mapping[str, Any]) -> None:
        try:
            self.stories.append(self._caller.ask(request))
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")
