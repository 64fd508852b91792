"""Jobs and their calls: leaving, waiting, adapters of their own, and what is told of their runs."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.batching.stats import BatchingStats, BatchStats
from torch import Tensor, nn

from tests.gathering import TERMS, Denoiser, ask, batcher, together
from tests.stops import Going, Stopped, Switch


def test_a_closed_batcher_says_so() -> None:
    with batcher() as calls:
        assert float(calls.call(TERMS, torch.sum, torch.ones(1, 3))) == 3
    with pytest.raises(RuntimeError, match="closed"):
        calls.call(TERMS, torch.sum, torch.ones(1))


def test_calls_that_wait_when_it_closes_are_canceled() -> None:
    busy, go_on = threading.Event(), threading.Event()

    def slow(sample: Tensor) -> Tensor:
        busy.set()
        assert go_on.wait(30)
        return sample

    def job(calls: Batcher, function: Callable[..., Any]) -> Any:
        with calls.job(Going()):
            return calls.call(TERMS, function, torch.ones(1, 4))

    calls = Batcher(64, 10**9)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(job, calls, slow)
        assert busy.wait(30)
        second = threads.submit(job, calls, torch.neg)
        while len(calls._pending) < 2:
            threading.Event().wait(0.001)
        closing = threads.submit(calls.close)
        while not calls._is_closed:
            threading.Event().wait(0.001)
        go_on.set()
        closing.result(timeout=30)
        assert torch.equal(first.result(timeout=30), torch.ones(1, 4))
        assert isinstance(second.exception(timeout=30), CancelledError)


def test_a_job_that_wants_to_be_alone_is() -> None:
    model = Denoiser()
    start = threading.Barrier(6)

    def run(calls: Batcher, alone: bool) -> None:
        with calls.job(Going(), alone=alone):
            start.wait()
            ask(calls, model, 1)

    with batcher() as calls, ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda alone: run(calls, alone), [True] * 6))
    assert model.batches == [1] * 6


def test_a_job_that_was_stopped_calls_nothing() -> None:
    model, switch = Denoiser(), Switch()
    with batcher() as calls, calls.job(switch):
        ask(calls, model, 1)
        switch.stop()
        with pytest.raises(Stopped):
            ask(calls, model, 1)
    assert model.batches == [1]


def test_a_wish_that_comes_while_a_call_is_taken_apart_is_heard() -> None:
    model, switch = Denoiser(), Switch()
    asked_for: list[object] = []

    class Late:
        def __hash__(self) -> int:
            if not asked_for:
                switch.stop()
            asked_for.append(self)
            return 1

    with batcher() as calls, calls.job(switch), pytest.raises(Stopped):
        ask(calls, model, 1, return_dict=Late())
    assert model.batches == []


def test_a_job_that_is_stopped_while_it_waits_leaves_at_once() -> None:
    """The device is busy with a neighbour, who gets its answer none the less."""
    busy, go_on = threading.Event(), threading.Event()

    def slow(sample: Tensor) -> Tensor:
        busy.set()
        assert go_on.wait(30)
        return sample

    def neighbour(calls: Batcher) -> Any:
        with calls.job(Going()):
            return calls.call(TERMS, slow, torch.ones(1, 4))

    def leaver(calls: Batcher, switch: Switch, model: Denoiser) -> None:
        with calls.job(switch), pytest.raises(Stopped):
            ask(calls, model, 1)

    model, switch = Denoiser(), Switch()
    with batcher() as calls, ThreadPoolExecutor(2) as threads:
        answer = threads.submit(neighbour, calls)
        assert busy.wait(30)
        left = threads.submit(leaver, calls, switch, model)
        switch.stop()
        left.result(timeout=30)
        assert not answer.done()
        go_on.set()
        assert torch.equal(answer.result(timeout=30), torch.ones(1, 4))
    assert model.batches == []


def test_who_is_stopped_while_its_run_is_on_harms_no_neighbour() -> None:
    running, go_on = threading.Event(), threading.Event()

    def slow(sample: Tensor) -> Tensor:
        running.set()
        assert go_on.wait(30)
        return 2 * sample

    def job(calls: Batcher, stop: Any) -> Any:
        with calls.job(stop):
            return calls.call(TERMS, slow, torch.ones(1, 4))

    switch = Switch()
    # Both rows fill the run, so that neither goes without the other.
    with batcher(max_rows=2) as calls, ThreadPoolExecutor(2) as threads:
        leaver, stayer = threads.submit(job, calls, switch), threads.submit(job, calls, Going())
        assert running.wait(30)
        switch.stop()
        go_on.set()
        assert torch.equal(stayer.result(timeout=30), 2 * torch.ones(1, 4))
        # It may have been the first of two runs that each held one.
        assert leaver.exception(timeout=30) is None or isinstance(leaver.exception(), Stopped)


def test_nobody_waits_for_a_job_that_left_while_its_run_was_on() -> None:
    running, go_on = threading.Event(), threading.Event()
    runs: list[BatchStats] = []

    def slow(sample: Tensor) -> Tensor:
        running.set()
        assert go_on.wait(30)
        return sample

    def job(calls: Batcher, stop: Any) -> None:
        with calls.job(stop):
            calls.call(TERMS, slow, torch.ones(1, 4))

    switch = Switch()
    with batcher(on_batch=runs.append) as calls, ThreadPoolExecutor(1) as threads:
        leaver = threads.submit(job, calls, switch)
        assert running.wait(30)
        switch.stop()
        assert isinstance(leaver.exception(timeout=30), Stopped)
        go_on.set()
        job(calls, Going())
    assert [ran.batch.reason for ran in runs] == ["lingered", "complete"]


def test_who_is_slow_to_come_back_keeps_no_answer_from_the_others() -> None:
    """Answers are given out one by one; one whose caller does something else does not hold the rest."""
    go_on = threading.Event()
    done: queue.Queue[int] = queue.Queue()

    def job(calls: Batcher, index: int) -> Any:
        with calls.job(Going()):
            answer = calls.call(TERMS, torch.neg, torch.full((1, 4), float(index)))
            if index:
                done.put(index)
                assert go_on.wait(30)
            return answer

    with batcher() as calls, ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(job, calls, index) for index in range(8)]
        # Seven that all stay away have theirs nevertheless.
        assert {done.get(timeout=30) for _ in range(7)} == set(range(1, 8))
        go_on.set()
        for index, answer in enumerate(answers):
            assert torch.equal(answer.result(timeout=30), torch.full((1, 4), -float(index)))


@dataclass(frozen=True)
class Louder:
    """An adapter that sets how much a module multiplies by."""

    factor: float

    def activate(self, module: Any) -> None:
        module.factor = self.factor


class Amplifier(nn.Module):
    factor = 1.0

    def forward(self, sample: Tensor) -> Tensor:
        return sample * self.factor

    def double(self, sample: Tensor) -> Tensor:
        return 2 * sample * self.factor


@pytest.mark.parametrize("gathering", [True, False])
def test_each_job_meets_its_own_adapters(gathering: bool) -> None:
    model, runs = Amplifier(), []
    calls = Batcher(64, 10**9, runs.append) if gathering else SerialExecutor()
    jobs = [
        lambda i=i: calls.call(replace(TERMS, adapters=Louder(float(i % 3))), model, torch.ones(1, 1))
        for i in range(12)
    ]
    for _ in range(3):
        assert [answer.item() for answer in together(calls, jobs)] == [float(i % 3) for i in range(12)]
    if isinstance(calls, Batcher):
        calls.close()
        assert max(len(ran.batch.calls) for ran in runs) > 1


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_reporter_that_fails_costs_nothing(error: type[BaseException]) -> None:
    def broken(ran: BatchStats) -> None:
        raise error("no paper")

    with batcher(on_batch=broken) as calls:
        for _ in range(2):
            assert float(calls.call(TERMS, torch.sum, torch.ones(1, 3))) == 3


def test_adapters_are_of_a_module_whichever_method_is_called() -> None:
    model, (quiet, loud) = Amplifier(), (replace(TERMS, adapters=Louder(factor)) for factor in (1.0, 5.0))
    with batcher() as calls:
        asked = [(quiet, model), (loud, model.double), (quiet, model)]
        answers = [calls.call(options, function, torch.ones(1, 1)).item() for options, function in asked]
    assert answers == [1.0, 10.0, 1.0]


def test_the_report_says_how_large_runs_were_and_why() -> None:
    report, model = BatchingStats(), Denoiser()
    with batcher(max_rows=4, on_batch=report.add) as calls:
        together(calls, [lambda i=i: ask(calls, model, i) for i in range(8)])
        together(calls, [lambda: ask(calls, model, 1, return_dict=False)])
    told = report.summary()["tiny denoiser"]
    assert told["runs"] == len(model.batches)
    assert told["mean_rows"] == pytest.approx(sum(model.batches) / len(model.batches), abs=0.01)
    assert told["occupancy"] == pytest.approx(sum(model.batches) / (4 * len(model.batches)), abs=0.001)
    assert sum(told["ran_because"].values()) == told["runs"]
    assert 0 <= told["mean_wait_s"] <= told["longest_wait_s"]
