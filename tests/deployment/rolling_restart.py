"""Every service is restarted in turn while callers submit jobs through the proxy."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.deployment.deployment import Deployment
from tests.raw_callers import RawCaller, Report, Verdict
from tests.receivers import Receiver
from tests.servers import wait_until

# What others need comes first.
ORDER = ("postgres", "redis", "worker", "gateway", "gateway-2", "webhooks", "prune", "flower")
BETWEEN_CALLERS_S = 0.25
# Callers of a share that are under way when their service stops.
BEFORE = 3
END_S, WEBHOOKS_S = 900.0, 120.0


class Crowd:
    """Callers that begin one after the other, each in a thread of its own.

    Args:
        make: Makes a caller.
    """

    def __init__(self, make: Callable[[], RawCaller]) -> None:
        self._make = make
        self._threads: list[threading.Thread] = []
        self.reports: list[Report] = []

    def begin(self, request: Mapping[str, Any]) -> None:
        """Let one more caller begin."""
        thread = threading.Thread(target=self._live, args=[request, len(self._threads)], daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self) -> None:
        """Wait until all have ended."""
        deadline = time.monotonic() + END_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _live(self, request: Mapping[str, Any], number: int) -> None:
        key = uuid.uuid4().hex
        self.reports.append(self._make().run(request, key=key, number=number, within_s=END_S))


@dataclass(frozen=True)
class Outcome:
    """What a rolling restart did.

    Args:
        verdict: What the callers met.
        repeats: Number of callers, by the number of requests that each sent again.
        unfinished: Callers that never came to an end.
        deliveries: Number of webhooks, by how often each was delivered.
        down_s: Seconds from the signal to stop until the service was healthy again, by service.
        longest_s: The longest time from a caller's first request to the end of its job.
    """

    verdict: Verdict
    repeats: dict[int, int]
    unfinished: int
    deliveries: dict[int, int]
    down_s: dict[str, float]
    longest_s: float

    @property
    def is_good(self) -> bool:
        """Whether no job was lost or doubled, and no caller sent more than one request again."""
        is_complete = not self.verdict.lost and not self.unfinished
        return is_complete and self.verdict.doubled == 0 and self.verdict.most_again <= 1


def rolling_restart(
    deployment: Deployment,
    make: Callable[[], RawCaller],
    receiver: Receiver,
    requests: Sequence[Mapping[str, Any]],
) -> Outcome:
    """Restart every service once. While one is restarted, its share of the callers begins."""
    before, crowd = deployment.num_jobs(), Crowd(make)
    down_s: dict[str, float] = {}
    for number, name in enumerate(ORDER):
        restart = _Restart(deployment, name)
        for index, request in enumerate(requests[number :: len(ORDER)]):
            crowd.begin(request)
            time.sleep(BETWEEN_CALLERS_S)
            if index == BEFORE - 1:
                restart.start()
        restart.join(END_S)
        assert restart.seconds is not None, f"{name} was not healthy again within {END_S} s"
        down_s[name] = round(restart.seconds, 1)
    crowd.wait()
    hears_all = lambda: len(set(receiver.ids)) >= len(requests)  # noqa: E731
    wait_until(hears_all, bound_s=WEBHOOKS_S, what="the webhooks of all jobs", look_s=0.2)
    return _outcome(crowd, receiver, len(requests), deployment.num_jobs() - before, down_s)


class _Restart(threading.Thread):
    """Restarts a service, and waits until it is healthy again."""

    def __init__(self, deployment: Deployment, name: str) -> None:
        super().__init__(daemon=True)
        self._stack = deployment.stack
        self._name = name
        self.seconds: float | None = None

    def run(self) -> None:
        began = time.monotonic()
        self._stack.restart(self._name)
        if self._stack.services[self._name].health is not None:
            self._stack.wait_healthy(self._name)
        self.seconds = time.monotonic() - began


def _outcome(
    crowd: Crowd, receiver: Receiver, num_callers: int, num_new_jobs: int, down_s: dict[str, float]
) -> Outcome:
    reports = crowd.reports
    return Outcome(
        verdict=Verdict.of(reports, num_new_jobs),
        repeats=dict(sorted(Counter(len(report.again) for report in reports).items())),
        unfinished=num_callers - len(reports),
        deliveries=dict(sorted(Counter(Counter(receiver.ids).values()).items())),
        down_s=down_s,
        longest_s=round(max(report.took_s for report in reports), 1),
    )
