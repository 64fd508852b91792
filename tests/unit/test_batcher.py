"""Calls of several threads, stacked, run once and handed back."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from brushwork_workers.batching.arguments import Call, NotSliceable, run_together
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.policy import Run
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.utils import BaseOutput
from torch import Tensor, nn


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
def batcher(max_rows: int = 64, on_run: Callable[[Run, float], None] | None = None) -> Iterator[Batcher]:
    opened = Batcher(max_rows, on_run)
    try:
        yield opened
    finally:
        opened.close()


def together(calls: Batcher, jobs: list[Callable[[], Any]]) -> list[Any]:
    """What each job returns or raises, all started at once."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        start.wait()
        with calls.job():
            try:
                return job()
            except Exception as error:
                return error

    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(run, jobs))


def ask(calls: Any, model: Denoiser, index: int, rows: int = 1, **changes: Any) -> Any:
    sample = torch.full((rows, 4), float(index))
    return calls.call(model, sample, torch.tensor(float(index)), **changes)


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
    runs: list[Run] = []
    with batcher(on_run=lambda run, took_s: runs.append(run)) as calls:
        together(
            calls,
            [
                lambda: ask(calls, model, 1),
                lambda: ask(calls, model, 1, return_dict=False),
                lambda: ask(calls, model, 1, ids=torch.zeros(3, 2)),
                lambda: ask(calls, model, 1, ids=torch.ones(3, 2)),
                lambda: calls.call(model, torch.ones(1, 4).double().float(), torch.tensor(1)),
            ],
        )
    assert [len(run.calls) for run in runs] == [1] * 5


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
        calls.call(hungry, torch.ones(1, 4))


def test_answers_that_cannot_be_cut_are_asked_for_one_by_one() -> None:
    with batcher() as calls:
        answers = together(
            calls, [lambda i=i: calls.call(torch.sum, torch.full((1, 4), float(i))) for i in range(6)]
        )
    assert [float(answer) for answer in answers] == [0, 4, 8, 12, 16, 20]


def test_a_distribution_is_cut_like_a_tensor() -> None:
    def encode(pictures: Tensor) -> DiagonalGaussianDistribution:
        return DiagonalGaussianDistribution(torch.cat([pictures, 0 * pictures], dim=1))

    calls = [Call.of(encode, (torch.full((1, 2, 2, 2), float(i)),), {}) for i in range(3)]
    for index, share in enumerate(run_together(calls)):
        assert share.mode().unique().tolist() == [index]


def test_timesteps_that_differ_become_one_for_each_row() -> None:
    seen: list[Tensor] = []

    def model(sample: Tensor, timestep: Tensor) -> Tensor:
        seen.append(timestep)
        return sample

    run_together([Call.of(model, (torch.ones(2, 1), torch.tensor(5)), {}) for _ in range(2)])
    run_together([Call.of(model, (torch.ones(2, 1), torch.tensor(step)), {}) for step in (5, 7)])
    assert seen[0].tolist() == 5
    assert seen[1].tolist() == [5, 5, 7, 7]


def test_an_answer_without_rows_is_refused() -> None:
    calls = [Call.of(torch.sum, (torch.ones(1, 2),), {}) for _ in range(2)]
    with pytest.raises(NotSliceable):
        run_together(calls)


def test_a_closed_batcher_says_so() -> None:
    with batcher() as calls:
        assert float(calls.call(torch.sum, torch.ones(1, 3))) == 3
    with pytest.raises(RuntimeError, match="closed"):
        calls.call(torch.sum, torch.ones(1))
