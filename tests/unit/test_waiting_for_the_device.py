"""A job that waits for a device that works is not hung: it moves."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor

from tests.servers import wait_until
from tests.stops import Going

BOUND_S = 10.0


@pytest.fixture(params=["direct", "batcher"])
def calls(request: pytest.FixtureRequest) -> Iterator[Any]:
    calls: ModelExecutor = SerialExecutor() if request.param == "direct" else Batcher(8, 1 << 20)
    yield calls
    calls.close()


def num_waiting(calls: Any) -> int:
    """Calls that wait for the one that runs."""
    return len(calls._waiting) if isinstance(calls, SerialExecutor) else len(calls._pending) - 1


def test_who_waits_for_a_device_that_works_moves(calls: Any) -> None:
    go_on = threading.Semaphore(0)

    def slow(number: int) -> int:
        assert go_on.acquire(timeout=BOUND_S)
        return number

    def run(number: int) -> int:
        with calls.job(Going(), alone=True, on_progress=lambda: moves.update([number])):
            return int(calls.call(CallOptions("slow"), slow, number))

    moves: Counter[int] = Counter()
    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(run, number) for number in range(3)]
        wait_until(lambda: num_waiting(calls) == 2)
        moves.clear()
        go_on.release()
        wait_until(lambda: set(moves) == {0, 1, 2})
        go_on.release(2)
        assert sorted(job.result(BOUND_S) for job in running) == [0, 1, 2]
