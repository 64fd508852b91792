"""Every service is restarted in turn while callers submit jobs through the proxy."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.deployment.deployment import Deployment
from tests.deployment.http_callers import Crowd, HttpCaller
from tests.receivers import Receiver
from tests.servers import wait_until

# What others need comes first.
ORDER = ("postgres", "redis", "worker", "gateway", "gateway-2", "webhooks", "prune", "flower")
BETWEEN_CALLERS_S = 0.25
END_S = 300.0


@dataclass(frozen=True)
class Outcome:
    """What a rolling restart did to its callers.

    Args:
        num_callers: Callers, each with one job.
        num_succeeded: Of their jobs.
        num_lost: Callers whose job was not accepted, or has not ended.
        num_doubled: Jobs in the ledger beyond one for each caller.
        repeats: Number of callers, by the number of requests that each had to repeat.
        reasons: Number of repeated requests, by their reason.
        deliveries: Number of webhooks, by how often each was delivered.
        down_s: Seconds from the signal to stop until the service was healthy again, by service.
        longest_s: The longest time from submit to the end of a job.
        faults: Other errors of callers.
    """

    num_callers: int
    num_succeeded: int
    num_lost: int
    num_doubled: int
    repeats: dict[int, int]
    reasons: dict[str, int]
    deliveries: dict[int, int]
    down_s: dict[str, float]
    longest_s: float
    faults: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether no job was lost or doubled, and no caller had to repeat more than one request."""
        is_complete = self.num_succeeded == self.num_callers and not self.num_lost and not self.faults
        return is_complete and not self.num_doubled and max(self.repeats) <= 1


class _Restart(threading.Thread):
    """Restarts a service, and waits until it is healthy again."""

    def __init__(self, deployment: Deployment, name: str) -> None:
        super().__init__(daemon=True)
        self._deployment = deployment
        self._name = name
        self.seconds: float | None = None

    def run(self) -> None:
        stack, began = self._deployment.stack, time.monotonic()
        stack.restart(self._name)
        if stack.services[self._name].health is not None:
            stack.wait_healthy(self._name)
        self.seconds = time.monotonic() - began


def rolling_restart(
    deployment: Deployment, caller: HttpCaller, receiver: Receiver, requests: Sequence[Mapping[str, Any]]
) -> Outcome:
    """Restart every service once. While one is restarted, its share of the callers begins."""
    before, crowd = deployment.num_jobs(), Crowd(caller)
    down_s: dict[str, float] = {}
    for number, name in enumerate(ORDER):
        restart = _Restart(deployment, name)
        for index, request in enumerate(requests[number :: len(ORDER)]):
            crowd.begin(request)
            time.sleep(BETWEEN_CALLERS_S)
            # Some are under way already when the service stops.
            if index == 2:
                restart.start()
        restart.join(END_S)
        assert restart.seconds is not None, f"{name} was not healthy again within {END_S} s"
        down_s[name] = restart.seconds
    crowd.wait(END_S)
    wait_until(lambda: len(set(receiver.ids)) >= len(requests), bound_s=60, what="the webhooks", look_s=0.2)
    return _outcome(crowd, receiver, len(requests), deployment.num_jobs() - before, down_s)


def _outcome(
    crowd: Crowd, receiver: Receiver, num_callers: int, num_new_jobs: int, down_s: dict[str, float]
) -> Outcome:
    stories = crowd.stories
    ids = {story.job_id for story in stories if story.job_id}
    states = Counter(story.state for story in stories)
    return Outcome(
        num_callers=num_callers,
        num_succeeded=states["succeeded"],
        num_lost=num_callers - sum(states[state] for state in ("succeeded", "failed", "canceled", "expired")),
        num_doubled=num_new_jobs - len(ids),
        repeats=dict(sorted(Counter(len(story.repeats) for story in stories).items())),
        reasons=dict(Counter(reason for story in stories for reason in story.repeats)),
        deliveries=dict(sorted(Counter(Counter(receiver.ids).values()).items())),
        down_s={name: round(seconds, 1) for name, seconds in down_s.items()},
        longest_s=round(max((story.seconds for story in stories), default=0.0), 1),
        faults=crowd.errors,
    )
