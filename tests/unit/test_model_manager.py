"""Models that do not fit together: how jobs wait for them, and what ends a wait."""

import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import brushwork_workers.model_cache.model_manager as model_manager_module
import pytest
import torch
from brushwork_core.ledger import Signal
from brushwork_schemas.errors import (
    JobStopped,
    ModelNotHere,
    ModelTooLarge,
    ModelUnavailable,
    OutOfMemory,
)
from brushwork_workers.execution.exclusive_gate import ExclusiveGate
from brushwork_workers.model_cache.load_postponed import LoadPostponed
from brushwork_workers.model_cache.model_manager import ModelManager
from prometheus_client import CollectorRegistry
from torch import nn

from tests.model_jobs import BOUND_S, KIND, Job, Store, Weights, manager
from tests.servers import wait_until


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is called when a signal comes for a job that waits: it looks again after this time."""
    monkeypatch.setattr(model_manager_module, "CHECK_EVERY_S", 0.02)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def exclusive_gate() -> ExclusiveGate:
    return ExclusiveGate()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def model_manager(store: Store, registry: CollectorRegistry) -> Iterator[ModelManager]:
    model_manager = manager(store, registry)
    yield model_manager
    model_manager.close()


@pytest.fixture
def job(
    model_manager: ModelManager, store: Store, threads: ThreadPoolExecutor, exclusive_gate: ExclusiveGate
) -> Callable[..., Job]:
    return lambda name, **options: Job(model_manager, store.model(name, **options), threads, exclusive_gate)


Start = Callable[..., Job]


class TestStart:
    def test_what_fits_is_loaded_the_first_of_each_kind_first(
        self, model_manager: ModelManager, store: Store
    ) -> None:
        sizes = {"a": 50, "b": 50, "c": 20, "d": 30}
        kinds = {"d": "image-segmentation"}
        models = [store.model(name, memory_bytes=sizes[name], kind=kinds.get(name, KIND)) for name in sizes]
        model_manager.open(models)
        assert store.loaded == ["a", "d", "c"]
        assert model_manager.sizes() == {"a": 50, "d": 30, "c": 20}
        assert model_manager.names == ("a", "b", "c", "d"), "the others are loaded when a job asks for them"

    def test_one_that_could_never_be_loaded_is_not_served(
        self, model_manager: ModelManager, store: Store
    ) -> None:
        model_manager.open([store.model("a", memory_bytes=101), store.model("b")])
        assert model_manager.names == ("b",)
        with pytest.raises(ModelUnavailable, match="does not serve model other"):
            model_manager.named("other", KIND)


class TestTurns:
    def test_who_comes_later_waits_until_the_model_before_is_left(
        self, job: Start, model_manager: ModelManager, store: Store, registry: CollectorRegistry
    ) -> None:
        first = job("a")
        assert first.gets_it()
        second = job("b")
        wait_until(lambda: second.said == ["rests"])
        assert not second.has_it.is_set()
        first.leave()
        assert second.gets_it()
        assert (store.loaded, model_manager.sizes()) == (["a", "b"], {"b": 60})
        assert second.said == ["rests", "performs"]
        assert first.said == [], "nothing is written for one that has not to wait"
        evicted = registry.get_sample_value("brushwork_model_evictions_total", {"model": "a"})
        assert evicted == 1
        second.leave()

    def test_of_one_model_all_are_served_together(self, job: Start, store: Store) -> None:
        jobs = [job("a") for _ in range(2)]
        assert all(each.gets_it() for each in jobs)
        assert store.loaded == ["a"]
        for each in jobs:
            each.leave()

    def test_who_finds_no_seat_goes_back(self, job: Start) -> None:
        first = job("a")
        assert first.gets_it()
        waiting = [job("b"), job("b")]
        wait_until(lambda: all(each.said for each in waiting))
        with pytest.raises(LoadPostponed) as gone:
            job("b").end()
        assert gone.value.after_s >= 1
        first.leave()
        for each in waiting:
            each.leave()

    def test_one_that_turns_out_too_large_for_now_is_loaded_when_there_is_room(
        self, job: Start, model_manager: ModelManager, store: Store
    ) -> None:
        store.sizes["b"] = 70
        first = job("a")
        assert first.gets_it()
        second = job("b", memory_bytes=10)
        wait_until(lambda: store.loaded.count("b") == 1)
        first.leave()
        assert second.gets_it()
        assert model_manager.sizes() == {"b": 70}
        second.leave()

    def test_a_suspect_that_needs_a_second_load_does_not_wait_for_itself(
        self,
        job: Start,
        model_manager: ModelManager,
        store: Store,
        exclusive_gate: ExclusiveGate,
        threads: ThreadPoolExecutor,
    ) -> None:
        store.sizes["b"] = 70
        first = job("a")
        assert first.gets_it()
        model = store.model("b", memory_bytes=10)
        suspect = Job(model_manager, model, threads, exclusive_gate, alone=True)
        wait_until(lambda: store.loaded.count("b") == 1)
        first.leave()
        assert suspect.gets_it()
        assert suspect.said == ["performs"]
        assert store.loaded == ["a", "b", "b"]
        suspect.leave()

    def test_too_large_altogether(self, job: Start) -> None:
        with pytest.raises(ModelTooLarge, match="BRUSHWORK_MODEL_MEMORY_GB"):
            job("a", memory_bytes=101).end()


class TestLeaving:
    @pytest.mark.parametrize("signal", [Signal.CANCEL, Signal.EXPIRE, Signal.LOST])
    def test_who_waits_can_be_told_to_stop(
        self, job: Start, model_manager: ModelManager, signal: Signal
    ) -> None:
        first = job("a")
        assert first.gets_it()
        second = job("b")
        wait_until(lambda: second.said)
        second.attempt.receive(signal)
        with pytest.raises(JobStopped):
            second.end()
        first.leave()
        assert model_manager.sizes() == {"a": 60}

    def test_so_can_one_for_whose_sake_a_model_is_loaded_which_stays(
        self, job: Start, model_manager: ModelManager, store: Store
    ) -> None:
        go_on = threading.Event()
        store.acts["a"] = lambda: wait_until(go_on.is_set)
        first = job("a")
        wait_until(lambda: model_manager._load_thread)
        first.attempt.receive(Signal.CANCEL)
        with pytest.raises(JobStopped):
            first.end()
        go_on.set()
        second = job("a")
        assert second.gets_it()
        second.leave()
        assert store.loaded == ["a"]

    def test_a_worker_that_is_to_stop_loads_nothing_more(
        self, job: Start, model_manager: ModelManager
    ) -> None:
        first = job("a")
        assert first.gets_it()
        second = job("b")
        wait_until(lambda: second.said)
        model_manager.stop_loading()
        with pytest.raises(LoadPostponed) as gone:
            second.end()
        assert gone.value.after_s == 0
        first.leave()

    def test_who_waits_makes_way_for_one_that_has_to_be_alone(
        self, job: Start, exclusive_gate: ExclusiveGate, threads: ThreadPoolExecutor
    ) -> None:
        first = job("a")
        assert first.gets_it()
        second = job("b")
        wait_until(lambda: second.said)

        def be_alone() -> None:
            with exclusive_gate.exclusive(lambda: None):
                pass
            exclusive_gate.leave(alone=True)

        exclusive_gate.admit(1, 1)
        alone = threads.submit(be_alone)
        with pytest.raises(LoadPostponed):
            second.end()
        exclusive_gate.leave(alone=False)
        alone.result(BOUND_S)
        first.leave()

    @pytest.mark.parametrize(("limit_s", "moves"), [(600.0, True), (-600.0, False)])
    def test_a_load_is_a_sign_of_life_only_as_long_as_one_may_take(
        self,
        store: Store,
        threads: ThreadPoolExecutor,
        exclusive_gate: ExclusiveGate,
        limit_s: float,
        moves: bool,
    ) -> None:
        go_on = threading.Event()
        store.acts["a"] = lambda: wait_until(go_on.is_set)
        model_manager = manager(store, CollectorRegistry(), load_limit_s=limit_s)
        waiting = Job(model_manager, store.model("a"), threads, exclusive_gate)
        wait_until(lambda: model_manager._load_thread is not None)
        assert model_manager._is_load_active() is moves
        go_on.set()
        assert waiting.gets_it()
        waiting.leave()


class TestFailure:
    def test_all_who_wait_are_told_and_it_is_not_tried_again_at_once(
        self, job: Start, model_manager: ModelManager, store: Store
    ) -> None:
        tries: list[str] = []

        def fail() -> None:
            tries.append("b")
            raise ValueError("cut off")

        store.acts["b"] = fail
        first = job("a")
        assert first.gets_it()
        waiting = [job("b"), job("b")]
        wait_until(lambda: all(each.said for each in waiting))
        first.leave()
        for each in waiting:
            with pytest.raises(ModelUnavailable, match="ValueError: cut off"):
                each.end()
        with pytest.raises(ModelUnavailable, match="ValueError: cut off"):
            job("b").end()
        assert tries == ["b"]
        third = job("c")
        assert third.gets_it()
        third.leave()

    def test_what_was_loaded_before_it_failed_is_gone_when_the_next_may_begin(
        self, job: Start, store: Store, model_manager: ModelManager
    ) -> None:
        halves: list[weakref.ref[nn.Module]] = []

        def fail() -> None:
            half = Weights(60)
            # Modules refer to each other in circles.
            half.itself = [half]  # type: ignore[assignment]
            halves.append(weakref.ref(half))
            raise ValueError("half-way")

        store.acts["damaged"] = fail
        with pytest.raises(ModelUnavailable, match="half-way"):
            job("damaged").end()
        model_manager.close()
        assert [half() for half in halves] == [None]

    def test_too_little_memory_is_told_and_the_next_job_may_try(self, job: Start, store: Store) -> None:
        errors: list[BaseException] = [torch.OutOfMemoryError("CUDA")]

        def fail_once() -> None:
            if errors:
                raise errors.pop()

        store.acts["a"] = fail_once
        with pytest.raises(OutOfMemory):
            job("a").end()
        second = job("a")
        assert second.gets_it()
        second.leave()

    def test_files_that_have_gone_meanwhile_are_told_too(self, job: Start, store: Store) -> None:
        def fail() -> None:
            raise ModelNotHere("It was removed.")

        store.acts["a"] = fail
        with pytest.raises(ModelNotHere, match="removed"):
            job("a").end()

    def test_what_is_not_here_is_said_without_a_pause(self, job: Start) -> None:
        for _ in range(2):
            with pytest.raises(ModelNotHere):
                job("absent").end()
