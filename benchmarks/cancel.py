"""The time from the return of `cancel` until the ledger shows a running job as canceled.

    python -m benchmarks.cancel [--cancels 30] [--at-once 1]

It uses the pocket model in a whole `brushwork up` on SQLite. A job ends at its next step or while it waits
for one, so the time of a step is printed beside the delays.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from brushwork import Client, Job
from brushwork_schemas.states import JobState

from tests.integration.embedded import Up

POLL_S = 0.002
BOUND_S = 60.0
NUM_STEPS = 100


def main() -> None:
    """Print the delays."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cancel", description="How soon a job stops.")
    parser.add_argument("--cancels", type=int, default=30, help="number of measured cancels")
    parser.add_argument(
        "--at-once", type=int, default=1, help="jobs that run at once; one of them is canceled"
    )
    parser.add_argument(
        "--pictures", type=int, default=4, help="pictures per job; more pictures make a step longer"
    )
    options = parser.parse_args()
    arguments = ("--kinds", "text-to-image", "--no-flower", "--concurrency", str(options.at_once))
    with (
        tempfile.TemporaryDirectory(prefix="brushwork-benchmark-") as folder,
        Up(Path(folder) / "data", *arguments) as up,
        up.ready().client() as client,
    ):
        measure(client, options.cancels, options.at_once, options.pictures)


def measure(client: Client, num_cancels: int, at_once: int, pictures: int) -> None:
    """Print what one step takes, then the delays of all cancels."""
    step_s = seconds_a_step(client, at_once, pictures)
    delays = [delay_s(client, at_once, pictures) for _ in range(num_cancels)]
    print(f"one step, {at_once} jobs of {pictures} pictures together: {1000 * step_s:.0f} ms")
    print(
        f"canceled after, {num_cancels} times: median {1000 * statistics.median(delays):.0f} ms,"
        f" worst {1000 * max(delays):.0f} ms"
    )


def seconds_a_step(client: Client, at_once: int, pictures: int) -> float:
    """Return the median time of a step, in seconds, of jobs that are not canceled."""
    ended = [client.wait(job.id, timeout_s=600) for job in submitted(client, at_once, pictures)]
    spent = [job.raise_for_state().result.provenance.timings.running_s for job in ended]
    return float(statistics.median(spent)) / NUM_STEPS


def delay_s(client: Client, at_once: int, pictures: int) -> float:
    """From the cancel of one of several running jobs to its end."""
    jobs = submitted(client, at_once, pictures)
    for job in jobs:
        until(partial(_has_begun, client, job))
    client.cancel(jobs[0].id)
    began = time.perf_counter()
    until(lambda: client.look(jobs[0].id)[0] is JobState.CANCELED)
    took = time.perf_counter() - began
    for job in jobs[1:]:
        client.cancel(job.id)
    for job in jobs:
        client.wait(job.id, timeout_s=BOUND_S)
    return took


def submitted(client: Client, number: int, pictures: int) -> list[Job]:
    """That many jobs of many steps."""
    request = {
        "kind": "text-to-image",
        "prompt": "a red circle",
        "num_inference_steps": NUM_STEPS,
        "num_images_per_prompt": pictures,
    }
    return client.submit_many([request] * number)


def _has_begun(client: Client, job: Job) -> bool:
    return client.look(job.id)[1].step > 0


def until(condition: Callable[[], bool]) -> None:
    """Ask often, for a minute at most."""
    give_up = time.monotonic() + BOUND_S
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError(f"not within {BOUND_S} s")
        time.sleep(POLL_S)


if __name__ == "__main__":
    main()
