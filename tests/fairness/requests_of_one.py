"""What the innocent tenant does, and how long each takes: webhook, upload, stream, jobs."""

import io
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from tests.fairness.stage import Tenant
from tests.receivers import Receiver
from tests.servers import wait_until

SIDE = 512
BOUND_S = 120.0
JOB = {"kind": "text-to-image", "prompt": "a red circle"}


@dataclass(frozen=True)
class Took:
    """Seconds of several repetitions.

    Args:
        seconds: Each.
    """

    seconds: tuple[float, ...]

    @property
    def middle_s(self) -> float:
        """The median."""
        ordered = sorted(self.seconds)
        return ordered[len(ordered) // 2]

    @property
    def high_s(self) -> float:
        """The time within which nine of ten were done."""
        ordered = sorted(self.seconds)
        return ordered[int(0.9 * (len(ordered) - 1))]


def _several(once: Callable[[], float], number: int) -> Took:
    return Took(tuple(once() for _ in range(number)))


def webhooks(tenant: Tenant, number: int) -> Took:
    """From the end of a job to its webhook."""
    with Receiver() as receiver:

        def once() -> float:
            sent = tenant.http.post("/v1/jobs", json={**JOB, "webhook_url": receiver.url}).raise_for_status()
            job_id, before = sent.json()["id"], len(receiver.heard)
            tenant.http.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
            began = time.monotonic()
            wait_until(lambda: len(receiver.heard) > before, bound_s=BOUND_S, what="a webhook", look_s=0.002)
            return time.monotonic() - began

        return _several(once, number)


def uploads(tenant: Tenant, number: int) -> Took:
    """Of a new picture."""

    def once() -> float:
        data = _picture()
        began = time.monotonic()
        headers = {"Content-Type": "image/png"}
        tenant.http.post("/v1/files", content=data, headers=headers).raise_for_status()
        return time.monotonic() - began

    return _several(once, number)


def streams(tenant: Tenant, number: int) -> Took:
    """From the request to the first event."""
    job_id = tenant.http.post("/v1/jobs", json=JOB).raise_for_status().json()["id"]
    tenant.http.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()

    def once() -> float:
        began = time.monotonic()
        with tenant.http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
            answer.raise_for_status()
            next(line for line in answer.iter_lines() if line.startswith("data:"))
            return time.monotonic() - began

    return _several(once, number)


def submitted(tenant: Tenant, number: int, steps: int, side: int) -> list[str]:
    """Submit jobs, and return their ids."""
    job = {**JOB, "num_inference_steps": steps, "width": side, "height": side}
    body = {"requests": [job] * number}
    answer = tenant.http.post("/v1/jobs:batch", json=body).raise_for_status()
    return [each["id"] for each in answer.json()["jobs"]]


def ended(tenant: Tenant, job_ids: Sequence[str], bound_s: float) -> None:
    """Wait until jobs have succeeded."""
    for job_id in job_ids:

        def has_ended(job_id: str = job_id) -> bool:
            state = tenant.http.get(f"/v1/jobs/{job_id}").raise_for_status().json()["state"]
            assert state in ("queued", "running", "succeeded"), state
            return bool(state == "succeeded")

        wait_until(has_ended, bound_s=bound_s, what=f"the end of {job_id}", look_s=0.05)


def _picture() -> bytes:
    # Like no other; some noise, but not more than a photograph has.
    noise = Image.frombytes("RGB", (SIDE // 8, SIDE // 8), os.urandom(3 * (SIDE // 8) ** 2))
    buffer = io.BytesIO()
    noise.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
