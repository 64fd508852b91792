"""Functions of one job that run at once, and the rank of their calls."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest
import torch
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.beside_run import MOST_BESIDE
from brushwork_workers.batching.caching_executor import CachingExecutor
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.batching.prompt_cache import PromptCache
from torch import Tensor

from tests.gathering import TERMS, Denoiser, alone, ask
from tests.stops import Going, Stopped, Switch

NAME: ContextVar[str] = ContextVar("NAME", default="nobody")
EXECUTORS = ["cooperative", "threads", "serial", "caching"]


@contextmanager
def executor(name: str) -> Iterator[ModelExecutor]:
    if name == "serial":
        yield SerialExecutor()
        return
    opened = Batcher(64, 10**9, num_threads=1, is_cooperative=name != "threads")
    try:
        yield CachingExecutor(opened, PromptCache(2**20)) if name == "caching" else opened
    finally:
        opened.close()


@pytest.fixture(params=EXECUTORS)
def calls(request: pytest.FixtureRequest) -> Iterator[ModelExecutor]:
    with executor(request.param) as opened:
        yield opened


def asking(calls: ModelExecutor, model: Denoiser, index: int, steps: int = 1) -> Callable[[], list[Tensor]]:
    return lambda: [ask(calls, model, index + step).sample for step in range(steps)]


def test_results_are_in_the_order_of_the_functions(calls: ModelExecutor) -> None:
    model, done = Denoiser(), list[int]()
    number = 3 * MOST_BESIDE + 1
    with calls.job(Going()):
        functions = [asking(calls, model, index, steps=1 + index % 3) for index in range(number)]
        results = calls.run_beside(functions, on_done=done.append)
    for index, result in enumerate(results):
        for step, answer in enumerate(result):
            torch.testing.assert_close(answer, alone(model, index + step))
    assert done == list(range(1, number + 1))


def test_nothing_to_run_is_nothing(calls: ModelExecutor) -> None:
    with calls.job(Going()):
        assert calls.run_beside([]) == []


def test_functions_of_no_job_run_too(calls: ModelExecutor) -> None:
    model = Denoiser()
    assert len(calls.run_beside([asking(calls, model, index) for index in range(3)])) == 3


@pytest.mark.parametrize("name", ["cooperative", "caching", "threads"])
def test_their_calls_share_batches(name: str) -> None:
    model = Denoiser()
    with executor(name) as calls, calls.job(Going()):
        calls.run_beside([asking(calls, model, index, steps=4) for index in range(2 * MOST_BESIDE)])
    assert sum(model.batches) == 8 * MOST_BESIDE
    # In threads, a busy machine may let some of them come late.
    assert len(model.batches) <= (10 if name == "cooperative" else 4 * MOST_BESIDE)
    assert max(model.batches) <= MOST_BESIDE


@pytest.mark.parametrize("name", ["cooperative", "threads"])
def test_few_have_begun_at_any_time(name: str) -> None:
    now, most, changing = 0, 0, threading.Lock()
    model = Denoiser()

    def function(index: int) -> None:
        nonlocal now, most
        with changing:
            now += 1
            most = max(most, now)
        ask(calls, model, index)
        with changing:
            now -= 1

    with executor(name) as calls, calls.job(Going()):
        calls.run_beside([partial(function, index) for index in range(5 * MOST_BESIDE)])
    assert 2 <= most <= MOST_BESIDE


def test_each_has_the_context_variables_of_the_job(calls: ModelExecutor) -> None:
    model = Denoiser()

    def named(index: int) -> tuple[str, str]:
        before = NAME.get()
        token = NAME.set(str(index))
        ask(calls, model, index)
        after = NAME.get()
        NAME.reset(token)
        return before, after

    NAME.set("the job")
    with calls.job(Going()):
        names = calls.run_beside([partial(named, index) for index in range(4)])
    assert names == [("the job", str(index)) for index in range(4)]


def test_calls_of_a_job_that_is_alone_share_no_batch(calls: ModelExecutor) -> None:
    model = Denoiser()
    with calls.job(Going(), alone=True):
        calls.run_beside([asking(calls, model, index, steps=2) for index in range(4)])
    assert model.batches == [1] * 8


def test_the_first_error_ends_the_others(calls: ModelExecutor) -> None:
    model, begun, ended = Denoiser(), list[int](), list[int]()

    def function(index: int) -> None:
        begun.append(index)
        if index == 3:
            raise ValueError("of the fourth")
        for _ in range(3):
            ask(calls, model, index)
        ended.append(index)

    with calls.job(Going()):
        with pytest.raises(ValueError, match="of the fourth"):
            calls.run_beside([partial(function, index) for index in range(10 * MOST_BESIDE)])
        # Those that had begun are over, and the job can go on.
        assert len(begun) <= MOST_BESIDE
        torch.testing.assert_close(ask(calls, model, 1).sample, alone(model, 1))
    assert len(ended) < len(begun)


def test_a_call_that_fails_fails_its_function_only_in_its_own_job(calls: ModelExecutor) -> None:
    model = Denoiser()
    with calls.job(Going()), pytest.raises(ValueError, match="too large"):
        calls.run_beside([asking(calls, model, index) for index in (1, 2, 10**7, 3)])


def test_an_error_of_on_done_ends_the_run(calls: ModelExecutor) -> None:
    model = Denoiser()

    def on_done(number: int) -> None:
        if number == 2:
            raise Stopped

    with calls.job(Going()), pytest.raises(Stopped):
        calls.run_beside([asking(calls, model, index) for index in range(4 * MOST_BESIDE)], on_done=on_done)
    assert sum(model.batches) < 4 * MOST_BESIDE


@pytest.mark.parametrize("name", ["cooperative", "threads"])
def test_a_stop_withdraws_the_calls_that_wait(name: str) -> None:
    """The device is busy with another job, and the stop need not wait for it."""
    running, go_on, model, switch = threading.Event(), threading.Event(), Denoiser(), Switch()

    def slow(sample: Tensor) -> Tensor:
        running.set()
        assert go_on.wait(30)
        return sample

    def plain() -> Any:
        with calls.job(Going()):
            return calls.call(TERMS, slow, torch.ones(1, 4))

    def explained() -> None:
        with calls.job(switch), pytest.raises(Stopped):
            calls.run_beside([asking(calls, model, index) for index in range(100)])

    with executor(name) as calls, ThreadPoolExecutor(2) as threads:
        answer = threads.submit(plain)
        assert running.wait(30)
        left = threads.submit(explained)
        switch.stop()
        left.result(timeout=30)
        assert not answer.done()
        go_on.set()
        assert torch.equal(answer.result(timeout=30), torch.ones(1, 4))
    assert model.batches == []


def test_a_stopped_job_begins_no_function(calls: ModelExecutor) -> None:
    switch, begun = Switch(), list[int]()
    with calls.job(switch):
        switch.stop()
        with pytest.raises(Stopped):
            calls.run_beside([partial(begun.append, index) for index in range(4)])
    assert begun == []


def test_progress_and_engines_are_those_of_the_job(calls: ModelExecutor) -> None:
    model, signs, engines = Denoiser(), list[int](), list[Any]()
    with calls.job(Going(), on_progress=lambda: signs.append(1), on_engines=engines.append):
        calls.run_beside([asking(calls, model, index) for index in range(5)])
    assert len(signs) >= 5
    assert len(engines) == 5


def test_without_batches_an_own_call_goes_first_too() -> None:
    """It waits for the call that runs, not for the others."""
    calls, begun, go_on, order = SerialExecutor(), threading.Event(), threading.Event(), list[str]()

    def named(name: str, sample: Tensor) -> Tensor:
        if not order:
            begun.set()
            assert go_on.wait(30)
        order.append(name)
        return sample

    def ask_for(name: str) -> Any:
        return calls.call(TERMS, partial(named, name), torch.ones(1))

    def own() -> Any:
        with calls.job(Going()):
            return ask_for("own")

    with ThreadPoolExecutor(2) as threads:
        with_extra = threads.submit(calls.run_beside, [partial(ask_for, "extra")] * 3)
        assert begun.wait(30)
        waiting = threads.submit(own)
        while not calls._device._num_own_waiting:
            threading.Event().wait(0.001)
        go_on.set()
        waiting.result(timeout=30)
        with_extra.result(timeout=30)
    assert order == ["extra", "own", "extra", "extra"]


@pytest.mark.parametrize("name", ["cooperative", "threads"])
def test_a_function_may_run_others_beside_it(name: str) -> None:
    model = Denoiser()

    def outer(index: int) -> int:
        return len(calls.run_beside([asking(calls, model, index) for _ in range(3)]))

    with executor(name) as calls, calls.job(Going()):
        assert calls.run_beside([partial(outer, index) for index in range(2 * MOST_BESIDE)]) == [3] * 32
    assert sum(model.batches) == 96


@pytest.mark.parametrize("name", ["cooperative", "threads"])
@pytest.mark.parametrize("mode", [torch.inference_mode, partial(torch.autocast, "cpu")])
def test_a_function_in_a_mode_of_the_thread_runs_to_its_end(name: str, mode: Callable[[], Any]) -> None:
    """Nobody else may run in the mode, and the call must not wait for those who cannot go on."""
    model = Denoiser()

    def function(index: int) -> int:
        with mode():
            ask(calls, model, index)
            return len(calls.run_beside([asking(calls, model, index) for _ in range(2)]))

    with executor(name) as calls, calls.job(Going()):
        assert calls.run_beside([partial(function, index) for index in range(3)]) == [2, 2, 2]
