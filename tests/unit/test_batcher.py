"""Calls of several threads, stacked, run once and handed back."""

import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch
from brushwork_workers.batching.arguments import Call, NotShareable, run_together
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.report import Ran, Report
from brushwork_workers.batching.terms import Terms
from brushwork_workers.calls import Calls, DirectCalls
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.utils import BaseOutput
from torch import Tensor, nn

from tests.stops import Going, Stopped, Switch

TERMS = Terms("tiny", "denoiser")


class Denoiser(nn.Module):
    """Calls like a UNet: a sample, a timestep, nested conditions, an output object."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 4)
        self.batches: list[int] = []

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        conditions: dict[str, Tensor] | None = None,
        ids: Tensor | None = None,
        return_dict: bool = True,
    ) -> Any:
        self.batches.append(len(sample))
        if (sample > 1e6).any():
            raise ValueError("a number too large")
        value = self.layer(sample) * timestep.reshape(-1, 1)
        value = value + (conditions or {}).get("extra", torch.tensor(0.0))
        return Noise(sample=value) if return_dict else (value,)


class Noise(BaseOutput):
    sample: Tensor


@contextmanager
def batcher(
    max_rows: int = 64, max_pixels: int = 10**9, on_run: Callable[[Ran], None] | None = None
) -> Iterator[Batcher]:
    opened = Batcher(max_rows, max_pixels, on_run)
    try:
        yield opened
    finally:
        opened.close()


def together(calls: Calls, jobs: list[Callable[[], Any]]) -> list[Any]:
    """What each job returns or raises, all started at once."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        start.wait()
        with calls.job(Going()):
            try:
                return job()
            except Exception as error:
                return error

    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(run, jobs))


def ask(calls: Any, model: Denoiser, index: int, rows: int = 1, **changes: Any) -> Any:
    sample = torch.full((rows, 4), float(index))
    return calls.call(TERMS, model, sample, torch.tensor(float(index)), **changes)


@torch.no_grad()
def alone(model: Denoiser, index: int, rows: int = 1) -> Tensor:
    return model(torch.full((rows, 4), float(index)), torch.tensor(float(index))).sample


def test_calls_share_runs_and_each_gets_its_own_answer() -> None:
    model = Denoiser()
    expected = [alone(model, index, 1 + index % 2) for index in range(8)]
    model.batches.clear()
    with batcher() as calls:
        for _ in range(5):
            answers = together(calls, [lambda i=i: ask(calls, model, i, 1 + i % 2).sample for i in range(8)])
            for answer, own in zip(answers, expected, strict=True):
                torch.testing.assert_close(answer, own)
    assert max(model.batches) > 2


def test_calls_of_other_shapes_or_arguments_do_not_share() -> None:
    model = Denoiser()
    runs: list[Ran] = []
    with batcher(on_run=runs.append) as calls:
        together(
            calls,
            [
                lambda: ask(calls, model, 1),
                lambda: ask(calls, model, 1, return_dict=False),
                lambda: ask(calls, model, 1, ids=torch.zeros(3, 2)),
                lambda: ask(calls, model, 1, ids=torch.ones(3, 2)),
                lambda: calls.call(TERMS, model, torch.ones(1, 4).double().float(), torch.tensor(1)),
            ],
        )
    assert [len(ran.run.calls) for ran in runs] == [1] * 5


def test_an_error_reaches_only_the_call_that_caused_it() -> None:
    model = Denoiser()
    expected = [alone(model, index) for index in range(8)]
    with batcher() as calls:
        jobs: list[Callable[[], Any]] = [lambda i=i: ask(calls, model, i).sample for i in range(8)]
        jobs[3] = lambda: ask(calls, model, 10_000_000)
        answers = together(calls, jobs)
    assert isinstance(answers[3], ValueError)
    for index in (0, 1, 2, 4, 5, 6, 7):
        torch.testing.assert_close(answers[index], expected[index])


def test_out_of_memory_makes_smaller_runs() -> None:
    model = Denoiser()
    expected = [alone(model, index) for index in range(8)]
    sizes: list[int] = []

    class Small(nn.Module):
        def forward(self, sample: Tensor, timestep: Tensor) -> Any:
            if len(sample) > 2:
                raise torch.OutOfMemoryError("simulated")
            sizes.append(len(sample))
            return model(sample, timestep)

    small = Small()
    with batcher() as calls:
        answers = together(calls, [lambda i=i: ask(calls, small, i).sample for i in range(8)])
    for answer, own in zip(answers, expected, strict=True):
        torch.testing.assert_close(answer, own)
    assert sum(sizes) == 8


def test_one_call_that_does_not_fit_fails_alone() -> None:
    def hungry(sample: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("simulated")

    with batcher() as calls, pytest.raises(torch.OutOfMemoryError):
        calls.call(TERMS, hungry, torch.ones(1, 4))


def test_answers_that_cannot_be_cut_are_asked_for_one_by_one() -> None:
    with batcher() as calls:
        answers = together(
            calls, [lambda i=i: calls.call(TERMS, torch.sum, torch.full((1, 4), float(i))) for i in range(6)]
        )
    assert [float(answer) for answer in answers] == [0, 4, 8, 12, 16, 20]


def test_a_distribution_is_cut_like_a_tensor() -> None:
    def encode(pictures: Tensor) -> DiagonalGaussianDistribution:
        return DiagonalGaussianDistribution(torch.cat([pictures, 0 * pictures], dim=1))

    calls = [Call.of(encode, (torch.full((1, 2, 2, 2), float(i)),), {}) for i in range(3)]
    for index, share in enumerate(run_together(calls)):
        assert share.mode().unique().tolist() == [index]


def test_a_timestep_becomes_one_for_each_row() -> None:
    seen: list[Tensor] = []

    def model(sample: Tensor, timestep: Tensor) -> Tensor:
        seen.append(timestep)
        return sample

    run_together([Call.of(model, (torch.ones(2, 1), torch.tensor(5)), {}) for _ in range(2)])
    run_together([Call.of(model, (torch.ones(2, 1), torch.tensor(step)), {}) for step in (5, 7)])
    assert seen[0].tolist() == [5, 5, 5, 5]
    assert seen[1].tolist() == [5, 5, 7, 7]


def test_an_answer_without_rows_is_refused() -> None:
    calls = [Call.of(torch.sum, (torch.ones(1, 2),), {}) for _ in range(2)]
    with pytest.raises(NotShareable):
        run_together(calls)


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
        while not calls._closed:
            threading.Event().wait(0.001)
        go_on.set()
        closing.result(timeout=30)
        assert torch.equal(first.result(timeout=30), torch.ones(1, 4))
        assert isinstance(second.exception(timeout=30), CancelledError)


def test_a_number_among_the_answers_may_be_of_all_rows() -> None:
    calls = [Call.of(lambda rows: int(rows.sum()), (torch.full((1, 2), i),), {}) for i in range(2)]
    with pytest.raises(NotShareable):
        run_together(calls)


@torch.inference_mode()
def test_a_constant_that_cannot_be_read_is_equal_to_itself() -> None:
    """Tensors made in inference mode tell nobody whether they were changed."""
    one, other = torch.ones(3, 2), torch.ones(3, 2)
    keys = [Call.of(torch.add, (torch.ones(1, 2), constant), {}).key for constant in (one, one, other)]
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]


def test_an_answer_that_holds_nothing_is_handed_to_each() -> None:
    assert run_together([Call.of(lambda rows: (), (torch.ones(1, 2),), {}) for _ in range(3)]) == [()] * 3


@pytest.mark.parametrize("error", [ValueError, torch.OutOfMemoryError])
def test_an_error_of_a_shared_run_keeps_no_tensor_alive(error: type[Exception]) -> None:
    """Those of the large run must be gone before its calls run alone."""
    made: list[weakref.ref[Tensor]] = []
    kept: list[bool] = []

    def hungry(sample: Tensor) -> Tensor:
        if len(sample) > 1:
            large = sample + 1
            made.append(weakref.ref(large))
            try:
                raise KeyError("a first attempt")
            except KeyError:
                # The first one's frames are this one's as well.
                raise error("together")  # noqa: B904 - the context is what is tested
        kept.append(any(tensor() is not None for tensor in made))
        return sample

    with batcher(max_rows=4) as calls:
        together(calls, [lambda: calls.call(TERMS, hungry, torch.ones(1, 4))] * 4)
    assert made
    assert not any(kept)


def test_a_generator_that_nobody_draws_from_keeps_nobody_apart() -> None:
    rows: list[int] = []

    def decode(latents: Tensor, generator: torch.Generator | None = None) -> Tensor:
        rows.append(len(latents))
        return latents

    with batcher() as calls:
        together(
            calls,
            [
                lambda i=i: calls.call(
                    TERMS, decode, torch.ones(1, 2), generator=torch.Generator().manual_seed(i)
                )
                for i in range(8)
            ],
        )
    assert max(rows) > 1


def test_who_draws_from_a_generator_draws_from_its_own() -> None:
    def noisy(latents: Tensor, generator: torch.Generator) -> Tensor:
        return latents + torch.randn(latents.shape, generator=generator)

    generators = [torch.Generator().manual_seed(index) for index in range(8)]
    expected = [noisy(torch.ones(1, 2), torch.Generator().manual_seed(index)) for index in range(8)]
    with batcher() as calls:
        answers = together(
            calls, [lambda own=own: calls.call(TERMS, noisy, torch.ones(1, 2), own) for own in generators]
        )
    for answer, own in zip(answers, expected, strict=True):
        assert torch.equal(answer, own)


@pytest.mark.parametrize("bound", ["rows", "pixels", "model"])
def test_a_run_stays_within_its_bounds(bound: str) -> None:
    model, terms = Denoiser(), TERMS
    if bound == "pixels":
        terms = replace(TERMS, pixels_per_row=100)
    if bound == "model":
        terms = replace(TERMS, max_rows=2)
    with batcher(2 if bound == "rows" else 64, 299 if bound == "pixels" else 10**9) as calls:
        together(
            calls, [lambda: calls.call(terms, model, torch.ones(1, 4), torch.tensor(1.0)) for _ in range(9)]
        )
    assert max(model.batches) == 2


def test_out_of_memory_at_one_size_is_remembered_for_others() -> None:
    rows: list[tuple[int, int]] = []

    def hungry(pictures: Tensor) -> Tensor:
        if pictures.numel() > 40:
            raise torch.OutOfMemoryError("simulated")
        rows.append((len(pictures), pictures.shape[1]))
        return pictures

    with batcher() as calls:
        for side in (10, 5):
            terms = replace(TERMS, pixels_per_row=side)
            ask_for_one = partial(calls.call, terms, hungry, torch.ones(1, side))
            together(calls, [ask_for_one] * 16)
    assert max(count for count, side in rows if side == 10) <= 4
    assert 1 < max(count for count, side in rows if side == 5) <= 8


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
    runs: list[Ran] = []

    def slow(sample: Tensor) -> Tensor:
        running.set()
        assert go_on.wait(30)
        return sample

    def job(calls: Batcher, stop: Any) -> None:
        with calls.job(stop):
            calls.call(TERMS, slow, torch.ones(1, 4))

    switch = Switch()
    with batcher(on_run=runs.append) as calls, ThreadPoolExecutor(1) as threads:
        leaver = threads.submit(job, calls, switch)
        assert running.wait(30)
        switch.stop()
        assert isinstance(leaver.exception(timeout=30), Stopped)
        go_on.set()
        job(calls, Going())
    assert [ran.run.reason for ran in runs] == ["lingered", "complete"]


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


def test_what_fails_only_together_is_tried_in_smaller_runs() -> None:
    """Not every library calls it out of memory."""
    rows: list[int] = []

    def narrow(sample: Tensor) -> Tensor:
        rows.append(len(sample))
        if len(sample) > 4:
            raise RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")
        return sample

    with batcher() as calls:
        for _ in range(3):
            together(calls, [lambda: calls.call(TERMS, narrow, torch.ones(1, 4))] * 16)
        rows.clear()
        answers = together(calls, [lambda: calls.call(TERMS, narrow, torch.ones(1, 4))] * 16)
    assert all(isinstance(answer, Tensor) for answer in answers)
    assert max(rows) <= 4


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
    calls = Batcher(64, 10**9, runs.append) if gathering else DirectCalls()
    jobs = [
        lambda i=i: calls.call(replace(TERMS, adapters=Louder(float(i % 3))), model, torch.ones(1, 1))
        for i in range(12)
    ]
    for _ in range(3):
        assert [answer.item() for answer in together(calls, jobs)] == [float(i % 3) for i in range(12)]
    if isinstance(calls, Batcher):
        calls.close()
        assert max(len(ran.run.calls) for ran in runs) > 1


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_reporter_that_fails_costs_nothing(error: type[BaseException]) -> None:
    def broken(ran: Ran) -> None:
        raise error("no paper")

    with batcher(on_run=broken) as calls:
        for _ in range(2):
            assert float(calls.call(TERMS, torch.sum, torch.ones(1, 3))) == 3


def test_adapters_are_of_a_module_whichever_method_is_called() -> None:
    model, (quiet, loud) = Amplifier(), (replace(TERMS, adapters=Louder(factor)) for factor in (1.0, 5.0))
    with batcher() as calls:
        asked = [(quiet, model), (loud, model.double), (quiet, model)]
        answers = [calls.call(terms, function, torch.ones(1, 1)).item() for terms, function in asked]
    assert answers == [1.0, 10.0, 1.0]


def test_the_report_says_how_large_runs_were_and_why() -> None:
    report, model = Report(), Denoiser()
    with batcher(max_rows=4, on_run=report.add) as calls:
        together(calls, [lambda i=i: ask(calls, model, i) for i in range(8)])
        together(calls, [lambda: ask(calls, model, 1, return_dict=False)])
    told = report.summary()["tiny denoiser"]
    assert told["runs"] == len(model.batches)
    assert told["mean_rows"] == pytest.approx(sum(model.batches) / len(model.batches), abs=0.01)
    assert told["occupancy"] == pytest.approx(sum(model.batches) / (4 * len(model.batches)), abs=0.001)
    assert sum(told["ran_because"].values()) == told["runs"]
    assert 0 <= told["mean_wait_s"] <= told["longest_wait_s"]
