"""What one more row of a batch costs, and whether calls share a batch then; by a clock of the test's own."""

import heapq
import math
import random
import statistics
from collections.abc import Callable, Sequence
from unittest.mock import patch

import pytest
from brushwork_workers.batching import call_groups as rules
from brushwork_workers.batching.call_groups import CallBatch, WaitingCall
from brushwork_workers.batching.row_cost import FRESH_S, RowCost
from brushwork_workers.batching.scheduler import Scheduler

ONE_STEP_S = 0.2
# Between the answer of a batch and the next call of its job.
PIPELINE_S = 0.002
Cost = Callable[[int], float]


def costs(share: float, one_step_s: float = ONE_STEP_S) -> Cost:
    """Seconds of a batch by its rows: one more row costs a share of what it costs alone."""
    return lambda rows: one_step_s * (1 + share * (rows - 1))


class Simulation:
    """Jobs that call one module so many times, on one device.

    Args:
        cost: Seconds of a batch by its rows.
        can_learn: Whether the scheduler uses what it measures.
    """

    def __init__(self, cost: Cost, *, can_learn: bool = True) -> None:
        self._cost = cost
        self._can_learn = can_learn
        self.sizes: list[int] = []

    def latencies_s(self, jobs: Sequence[tuple[float, int]]) -> list[float]:
        """Seconds from the arrival of each job to its end.

        Args:
            jobs: Arrival in seconds, and number of calls.
        """
        policy = Scheduler(64, 10**9)
        left = [calls for _, calls in jobs]
        events = [(arrival, number) for number, (arrival, _) in enumerate(jobs)]
        heapq.heapify(events)
        ends: dict[int, float] = {}
        now_s = 0.0
        while len(ends) < len(jobs):
            while events and events[0][0] <= now_s:
                self._call(policy, jobs, *heapq.heappop(events))
            decision = policy.next_batch(now_s)
            if not isinstance(decision, CallBatch):
                moments = [events[0][0]] if events else []
                now_s = min([*moments, *([] if decision.at_s is None else [decision.at_s])])
                continue
            now_s = self._run(policy, decision, now_s)
            for call in decision.calls:
                number = int(str(call.caller))
                left[number] -= 1
                if left[number]:
                    heapq.heappush(events, (now_s + PIPELINE_S, number))
                else:
                    policy.caller_left(str(number))
                    ends[number] = now_s
        return [ends[number] - arrival for number, (arrival, _) in enumerate(jobs)]

    def _call(self, policy: Scheduler, jobs: Sequence[tuple[float, int]], at_s: float, number: int) -> None:
        policy.call_arrived(WaitingCall(str(number), "unet", "unet", at_s, job_since_s=jobs[number][0]))

    def _run(self, policy: Scheduler, batch: CallBatch, now_s: float) -> float:
        self.sizes.append(batch.rows)
        took_s = self._cost(batch.rows)
        policy.batch_answered(batch)
        with patch.object(rules, "ALONE_SHARE", rules.ALONE_SHARE if self._can_learn else math.inf):
            policy.batch_ended(batch, took_s, now_s + took_s)
        return now_s + took_s


def stream(count: int, per_s: float, seed: int = 1) -> list[tuple[float, int]]:
    """Jobs of 8 to 40 calls that arrive at random."""
    numbers = random.Random(seed)
    moments = [numbers.expovariate(per_s) for _ in range(count)]
    return [(sum(moments[: index + 1]), numbers.randint(8, 40)) for index in range(count)]


@pytest.mark.parametrize("share", [0.96, 1.0, 1.05])
def test_jobs_end_one_after_another_if_sharing_gains_nothing(share: float) -> None:
    jobs = stream(80, per_s=0.7 / (24 * ONE_STEP_S))
    shared = statistics.mean(Simulation(costs(share), can_learn=False).latencies_s(jobs))
    measured = statistics.mean(Simulation(costs(share)).latencies_s(jobs))
    assert measured < 0.9 * shared
    # A queue in front of one server, first come, first served: what a separate process does.
    ends_s, queue = 0.0, []
    for arrival, calls in jobs:
        ends_s = max(ends_s, arrival) + calls * (ONE_STEP_S + PIPELINE_S)
        queue.append(ends_s - arrival)
    assert measured < 1.1 * statistics.mean(queue)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_calls_share_if_one_more_is_cheaper_than_a_batch_of_its_own(share: float) -> None:
    jobs = stream(200, per_s=0.7 / (24 * ONE_STEP_S))
    measured, unknown = Simulation(costs(share)), Simulation(costs(share), can_learn=False)
    latency_s = statistics.mean(measured.latencies_s(jobs))
    assert latency_s < 1.05 * statistics.mean(unknown.latencies_s(jobs))
    # Few calls run alone beside others, to measure.
    assert len(measured.sizes) < 1.05 * len(unknown.sizes)
    assert max(measured.sizes) > 1


def test_short_calls_are_never_measured_alone() -> None:
    jobs = [(0.0, 20)] * 16
    simulation = Simulation(costs(1.0, one_step_s=0.01))
    simulation.latencies_s(jobs)
    assert simulation.sizes == [16] * 20


def test_all_at_once_costs_no_throughput() -> None:
    jobs = [(index / 10_000, 20) for index in range(16)]
    shared = max(Simulation(costs(1.0), can_learn=False).latencies_s(jobs))
    simulation = Simulation(costs(1.0))
    latencies = simulation.latencies_s(jobs)
    assert simulation.sizes[1] > 1
    assert simulation.sizes[-1] == 1
    assert max(latencies) < 1.02 * shared
    # One after another from the first call on would be 0.53. The first six batches measure.
    assert statistics.mean(latencies) < 0.7 * shared


def test_a_waiting_job_of_another_size_takes_turns_with_the_oldest_one() -> None:
    policy = Scheduler(64, 10**9)
    learn_that_sharing_gains_nothing(policy)
    for number in range(3):
        policy.call_arrived(WaitingCall(f"large {number}", "unet", "large", 200.0 + number))
    policy.call_arrived(WaitingCall("small", "unet", "small", 203.0))
    assert caller_of_next(policy, 204.0) == "large 0"
    policy.call_arrived(WaitingCall("large 0", "unet", "large", 205.0, job_since_s=200.0))
    # The calls of the younger large jobs are older, but they only wait for their turn.
    assert caller_of_next(policy, 206.0) == "small"
    assert caller_of_next(policy, 207.0) == "large 0"


def test_priority_is_a_head_start_for_the_job() -> None:
    policy = Scheduler(64, 10**9)
    learn_that_sharing_gains_nothing(policy)
    policy.call_arrived(WaitingCall("normal", "unet", "large", 200.0))
    policy.call_arrived(WaitingCall("urgent", "unet", "large", 200.5, priority=1))
    assert caller_of_next(policy, 201.0) == "urgent"


def learn_that_sharing_gains_nothing(policy: Scheduler) -> None:
    """Run batches of one and of two calls."""
    for index in range(12):
        callers = ["first", "second"][: 1 + index % 2]
        for caller in callers:
            policy.call_arrived(WaitingCall(caller, "unet", "large", 180.0 + index))
        while isinstance(batch := policy.next_batch(181.0 + index), CallBatch):
            policy.batch_ended(batch, 0.1 * batch.rows, 181.0 + index)


def caller_of_next(policy: Scheduler, now_s: float) -> str:
    """Run the next batch, which must have one call."""
    batch = policy.next_batch(now_s)
    assert isinstance(batch, CallBatch)
    assert batch.rows == 1
    policy.batch_answered(batch)
    policy.batch_ended(batch, 0.1, now_s)
    return str(batch.calls[0].caller)


def test_cost_is_not_known_from_one_size_or_few_durations() -> None:
    cost = RowCost()
    for _ in range(5):
        cost.observe(2, 0.1, now_s=10.0)
    cost.observe(8, 0.4, now_s=10.0)
    cost.observe(8, 0.4, now_s=10.0)
    assert cost.one_more(2, now_s=10.0) is None
    cost.observe(8, 0.4, now_s=10.0)
    assert cost.one_more(2, now_s=10.0) == pytest.approx((0.1, 1.0))
    assert cost.one_more(3, now_s=10.0) is None


def test_one_slow_batch_decides_nothing() -> None:
    cost = RowCost()
    for took_s in (0.1, 0.1, 0.1, 0.1, 3.0):
        cost.observe(1, took_s, now_s=10.0)
    for took_s in (0.12, 9.0, 0.12, 0.12):
        cost.observe(4, took_s, now_s=10.0)
    alone_s, share = cost.one_more(1, now_s=10.0) or (0.0, 0.0)
    assert alone_s == pytest.approx(0.1)
    assert share == pytest.approx(0.0667, abs=1e-3)


def test_old_durations_are_forgotten_so_that_sharing_is_tried_again() -> None:
    cost = RowCost()
    for rows in (1, 4):
        for _ in range(3):
            cost.observe(rows, 0.1 * rows, now_s=10.0)
    assert cost.one_more(1, now_s=11.0) == pytest.approx((0.1, 1.0))
    for second in range(int(FRESH_S)):
        cost.observe(1, 0.1, now_s=11.0 + second)
    assert cost.one_more(1, now_s=11.0 + FRESH_S) is None
