"""Callers that use no client of brushwork: plain HTTP from Python's standard library.

Each submits one job with an `Idempotency-Key`, waits for its end with `Prefer: wait`, and counts what it had
to send again. `python -m tests.rolling_gateways` and the tests of deployments use them.
"""

import http.client
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

ENDED = ("succeeded", "failed", "canceled", "expired")
# Answers after which a program sends a request again.
AGAIN = (429, 502, 503, 504)


class Broken(Exception):
    """No complete answer came."""


@dataclass(frozen=True)
class Answer:
    """An answer.

    Args:
        status: Its status.
        headers: Its headers, with names in lower case.
        body: Its bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its content."""
        return json.loads(self.body)


@dataclass
class Report:
    """What one caller met.

    Args:
        number: Its number.
        job_id: Id of its job; empty if it never learned one.
        state: Last state of the job that it saw.
        ids: All ids that answers to its submits named.
        again: Why it sent a request again: a status, or the name of an exception.
        took_s: Seconds from its first request to the end.
        slowest_s: Seconds of its slowest answer.
        error: Why it gave up; empty if it did not.
    """

    number: int
    job_id: str = ""
    state: str = ""
    ids: set[str] = field(default_factory=set)
    again: list[str] = field(default_factory=list)
    took_s: float = 0.0
    slowest_s: float = 0.0
    error: str = ""


class RawCaller:
    """One program that calls the gateway.

    Args:
        address: Address of a gateway or of the proxy in front.
        api_key: Its key; None if the gateway is open.
        trust: Which certificates it trusts; None for http.
        timeout_s: How long it waits for an answer.
        host: `Host` that it names; by default that of the address.
    """

    def __init__(
        self,
        address: str,
        api_key: str | None = None,
        *,
        trust: ssl.SSLContext | None = None,
        timeout_s: float = 70.0,
        host: str | None = None,
    ) -> None:
        self._url = urlsplit(address)
        self._trust = trust
        self._timeout_s = timeout_s
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._headers |= {"Host": host} if host else {}

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request on a connection of its own.

        Raises:
            Broken: The connection was refused or broke, or no answer came in time.
        """
        connection = self._connection()
        try:
            connection.request(
                method, path, body, {**self._headers, "Connection": "close", **(headers or {})}
            )
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise Broken(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()

    def run(
        self,
        request: Mapping[str, Any],
        *,
        key: str | None,
        number: int = 0,
        wait_s: int = 20,
        most_again: int = 5,
        within_s: float = 300.0,
    ) -> Report:
        """Submit a job, and wait for its end.

        Args:
            request: The request: `kind`, parameters and options.
            key: Its idempotency key; None to send none, and to give up if the answer to the submit is lost.
            number: Number of the caller in its report.
            wait_s: Seconds that each request prefers to wait.
            most_again: How often it sends a request again before it gives up.
            within_s: How long it waits for the end of the job.
        """
        report, began = Report(number), time.monotonic()
        prefer = {"Prefer": f"wait={wait_s}"}
        sent = {"Content-Type": "application/json", **prefer, **({"Idempotency-Key": key} if key else {})}
        once = most_again if key else 0
        try:
            answer = self._sent(report, "POST", "/v1/jobs", json.dumps(request).encode(), sent, once)
            report.job_id = answer.json["id"]
            while (state := answer.json["state"]) not in ENDED and time.monotonic() < began + within_s:
                path = f"/v1/jobs/{report.job_id}"
                answer = self._sent(report, "GET", path, None, prefer, most_again)
            report.state = state
        except Broken as error:
            report.error = str(error)
        report.took_s = time.monotonic() - began
        return report

    def _sent(
        self,
        report: Report,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        most_again: int,
    ) -> Answer:
        while True:
            began = time.monotonic()
            try:
                answer = self.call(method, path, body, headers)
            except Broken as error:
                reason, pause_s = str(error).partition(":")[0], 0.5
            else:
                report.slowest_s = max(report.slowest_s, time.monotonic() - began)
                if answer.status < 300:
                    report.ids |= {answer.json["id"]} if method == "POST" else set()
                    return answer
                reason, pause_s = str(answer.status), float(answer.headers.get("retry-after", 0.5))
                if answer.status not in AGAIN:
                    raise Broken(f"{answer.status}: {answer.body[:300]!r}")
            report.again.append(f"{method} {reason}")
            if len(report.again) > most_again:
                raise Broken(f"sent again {most_again} times: {report.again}")
            time.sleep(pause_s)

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=self._trust)
        return http.client.HTTPConnection(host, port, timeout=self._timeout_s)


@dataclass(frozen=True)
class Verdict:
    """What all callers met together.

    Args:
        num_callers: Number of callers.
        lost: Callers whose job did not succeed, or who never learned its id.
        doubled: Jobs that exist beyond one for each caller.
        most_again: How often the caller with the most repetitions sent a request again.
        again: Number of repetitions, by method and reason.
        slowest_s: Seconds of the slowest answer.
    """

    num_callers: int
    lost: Sequence[Report]
    doubled: int
    most_again: int
    again: Mapping[str, int]
    slowest_s: float

    @classmethod
    def of(cls, reports: Sequence[Report], num_jobs: int) -> "Verdict":
        """Return the verdict.

        Args:
            reports: Reports of all callers.
            num_jobs: Number of jobs in the ledger that these callers made.
        """
        lost = [each for each in reports if each.state != "succeeded" or each.ids != {each.job_id}]
        again = Counter(reason for each in reports for reason in each.again)
        return cls(
            num_callers=len(reports),
            lost=lost,
            doubled=num_jobs - len({each.job_id for each in reports if each.job_id}),
            most_again=max(len(each.again) for each in reports),
            again=again,
            slowest_s=max(each.slowest_s for each in reports),
        )

    def __str__(self) -> str:
        """Return the figures in one line."""
        reasons = ", ".join(f"{number} x {reason}" for reason, number in sorted(self.again.items())) or "none"
        return (
            f"{self.num_callers} callers: {len(self.lost)} lost, {self.doubled} doubled, "
            f"sent again: {reasons}, at most {self.most_again} by one caller; "
            f"slowest answer {self.slowest_s:.2f} s"
        )


def call_in_parallel(
    make: Callable[[], RawCaller],
    requests: Sequence[Mapping[str, Any]],
    *,
    at_once: int = 24,
    per_second: float | None = None,
    prefix: str | None = "raw",
    stop: threading.Event | None = None,
    **options: Any,
) -> list[Report]:
    """Let a caller run for each request, and return their reports.

    Args:
        make: Makes a caller.
        requests: The requests. The key of each is `prefix` and its number.
        at_once: Most callers at the same time.
        per_second: Callers that start in a second; None starts each as soon as there is room.
        prefix: Start of the idempotency keys; None for callers that send none.
        stop: Set when no more callers shall start.
        options: More options of `RawCaller.run`.
    """
    began, over = time.monotonic(), stop or threading.Event()

    def one(number: int) -> Report | None:
        if per_second is not None:
            over.wait(max(0.0, began + number / per_second - time.monotonic()))
        if over.is_set():
            return None
        key = f"{prefix}-{number}" if prefix else None
        return make().run(requests[number], key=key, number=number, **options)

    with ThreadPoolExecutor(at_once) as pool:
        return [report for report in pool.map(one, range(len(requests))) if report is not None]
