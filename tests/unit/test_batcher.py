"""Calls of several threads, stacked, run once and handed back."""

import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from brushwork_workers.batching.arguments import ModuleCall, NotShareable, run_together
from brushwork_workers.batching.stats import BatchStats
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn

from tests.gathering import TERMS, Denoiser, alone, ask, batcher, together


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
    runs: list[BatchStats] = []
    with batcher(on_batch=runs.append) as calls:
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
    assert [len(ran.batch.calls) for ran in runs] == [1] * 5


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

    calls = [ModuleCall.of(encode, (torch.full((1, 2, 2, 2), float(i)),), {}) for i in range(3)]
    for index, share in enumerate(run_together(calls)):
        assert share.mode().unique().tolist() == [index]


def test_a_timestep_becomes_one_for_each_row() -> None:
    seen: list[Tensor] = []

    def model(sample: Tensor, timestep: Tensor) -> Tensor:
        seen.append(timestep)
        return sample

    run_together([ModuleCall.of(model, (torch.ones(2, 1), torch.tensor(5)), {}) for _ in range(2)])
    run_together([ModuleCall.of(model, (torch.ones(2, 1), torch.tensor(step)), {}) for step in (5, 7)])
    assert seen[0].tolist() == [5, 5, 5, 5]
    assert seen[1].tolist() == [5, 5, 7, 7]


def test_an_answer_without_rows_is_refused() -> None:
    calls = [ModuleCall.of(torch.sum, (torch.ones(1, 2),), {}) for _ in range(2)]
    with pytest.raises(NotShareable):
        run_together(calls)


def test_a_number_among_the_answers_may_be_of_all_rows() -> None:
    calls = [ModuleCall.of(lambda rows: int(rows.sum()), (torch.full((1, 2), i),), {}) for i in range(2)]
    with pytest.raises(NotShareable):
        run_together(calls)


@torch.inference_mode()
def test_a_constant_that_cannot_be_read_is_equal_to_itself() -> None:
    """Tensors made in inference mode tell nobody whether they were changed."""
    one, other = torch.ones(3, 2), torch.ones(3, 2)
    keys = [ModuleCall.of(torch.add, (torch.ones(1, 2), constant), {}).key for constant in (one, one, other)]
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]


def test_an_answer_that_holds_nothing_is_handed_to_each() -> None:
    assert (
        run_together([ModuleCall.of(lambda rows: (), (torch.ones(1, 2),), {}) for _ in range(3)]) == [()] * 3
    )


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
    model, options = Denoiser(), TERMS
    if bound == "pixels":
        options = replace(TERMS, pixels_per_row=100)
    if bound == "model":
        options = replace(TERMS, max_rows=2)
    with batcher(2 if bound == "rows" else 64, 299 if bound == "pixels" else 10**9) as calls:
        together(
            calls, [lambda: calls.call(options, model, torch.ones(1, 4), torch.tensor(1.0)) for _ in range(9)]
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
            options = replace(TERMS, pixels_per_row=side)
            ask_for_one = partial(calls.call, options, hungry, torch.ones(1, side))
            together(calls, [ask_for_one] * 16)
    assert max(count for count, side in rows if side == 10) <= 4
    assert 1 < max(count for count, side in rows if side == 5) <= 8


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
