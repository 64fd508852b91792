"""An innocent caller submits and reads jobs one after the other, in its own process, until it is stopped.

`python -m tests.attacks.innocent ADDRESS KEY` stops at the end of its standard input, and prints what it saw.
"""

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx

# Between two requests; so it sends at most 50 a second.
PAUSE_S = 0.02
LONGEST_S = 60.0
JOB = {"kind": "text-to-image", "prompt": "a red circle"}


@dataclass
class Seen:
    """What an innocent caller has seen.

    Args:
        took_s: Seconds of each request that succeeded.
        failures: What the others were answered.
    """

    took_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def p99_s(self) -> float:
        """The time within which 99 of 100 requests were answered; infinite without any."""
        ordered = sorted(self.took_s)
        return ordered[int(0.99 * (len(ordered) - 1))] if ordered else float("inf")


class Innocent:
    """The process, inside a `with` block; `seen` is complete after it.

    Args:
        address: Address of the gateway.
        key: Its API key.
    """

    def __init__(self, address: str, key: str) -> None:
        self._argv = [sys.executable, "-m", "tests.attacks.innocent", address, key]
        self.seen = Seen()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        # Its first line says that its first request was answered.
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        said, _ = self._process.communicate(timeout=2 * LONGEST_S)
        self.seen = Seen(**json.loads(said))


def watched(address: str, key: str, seconds: float) -> Seen:
    """What an innocent caller sees in a calm time of so many seconds."""
    with Innocent(address, key) as innocent:
        time.sleep(seconds)
    return innocent.seen


def main() -> None:
    """Call until standard input is closed."""
    address, key = sys.argv[1:]
    stopped, seen = threading.Event(), Seen()

    def wait_for_end() -> None:
        sys.stdin.read()
        stopped.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    headers = {"Authorization": f"Bearer {key}"}
    # A connection for each request: others must get in too, and not only those that are connected already.
    fresh = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=address, headers=headers, timeout=LONGEST_S, limits=fresh) as client:
        _call(client, Seen())
        print("ready", flush=True)
        while not stopped.is_set():
            _call(client, seen)
    print(json.dumps({"took_s": seen.took_s, "failures": seen.failures}))


def _call(client: httpx.Client, seen: Seen) -> None:
    job = _timed(client, "POST", "/v1/jobs", seen, json=JOB)
    if job is not None:
        _timed(client, "GET", f"/v1/jobs/{job.json()['id']}", seen)


def _timed(
    client: httpx.Client, method: str, path: str, seen: Seen, json: object = None
) -> httpx.Response | None:
    time.sleep(PAUSE_S)
    began = time.monotonic()
    try:
        answer = client.request(method, path, json=json)
    except httpx.HTTPError as error:
        seen.failures.append(
            f"{method} {path}: {type(error).__name__} after {time.monotonic() - began:.1f} s"
        )
        return None
    if not answer.is_success:
        seen.failures.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return None
    seen.took_s.append(time.monotonic() - began)
    return answer


if __name__ == "__main__":
    main()
