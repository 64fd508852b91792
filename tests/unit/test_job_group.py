"""Jobs that run in one thread share the call of their model, and nothing else."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_core.database.database import Database
from brushwork_core.ledger import Claim, Signal
from brushwork_core.telemetry.log import ContextFilter
from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.states import JobState
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.execution import job_group
from brushwork_workers.execution.attempt_result import Outcome
from brushwork_workers.execution.job_group import MOST_TOGETHER
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec
from PIL import Image

from tests.servers import wait_until
from tests.stations import WORKER, TestStation, _weights, nothing

Look = Callable[[Any, JobContext], object]
Call = Callable[[Sequence[str]], object]


class Steps:
    """A handler in steps, which makes one grey picture; the test looks into each step."""

    row_pixels = 256

    def __init__(self) -> None:
        self.on_prepared: Look = nothing
        self.on_result: Look = nothing
        self.on_call: Call = lambda jobs: None
        self.calls: list[tuple[str, ...]] = []

    def warm_up(self) -> None:
        return

    def perform(self, request: Any, context: JobContext) -> dict[str, Any]:
        raise AssertionError("a job in steps is not performed as a whole")

    def prepared(self, request: Any, context: JobContext) -> Any:
        self.on_prepared(request, context)
        return context.job_id

    def answers(self, prepared: Sequence[Any]) -> Sequence[Any]:
        self.calls.append(tuple(prepared))
        self.on_call(prepared)
        return [f"answer to {job_id}" for job_id in prepared]

    def result(self, request: Any, context: JobContext, answer: Any) -> dict[str, Any]:
        assert answer == f"answer to {context.job_id}"
        self.on_result(request, context)
        picture = context.save_picture(Image.new("RGB", (request.width, request.height), "gray"))
        return {"images": (picture,), "seed": request.seed, "seeds": (request.seed,)}


class SteppingStation(TestStation):
    """A worker whose model has this handler."""

    __test__ = False
    steps: Steps

    def __init__(self, database: Database, folder: Path, steps: Steps) -> None:
        type(self).steps = steps
        super().__init__(database, folder, nothing)
        assert self.execute(self.adopted("first")) is Outcome.SUCCEEDED, "the model is loaded now"
        steps.calls.clear()

    @classmethod
    def _load(cls, act: Any) -> Callable[[LoadSpec], LoadedModules]:  # type: ignore[override]
        return lambda place: LoadedModules({"text-to-image": cls.steps}, [_weights()])

    def run(self, *names: str, **parameters: Any) -> Sequence[Claim]:
        """Adopt, claim and run jobs together."""
        claims = self.claimed_together(*[self.adopted(name, **parameters) for name in names])
        assert len(claims) == len(names)
        return self.executor.run_together(claims)

    def states(self, *names: str) -> list[JobState]:
        return [self.job(name).state for name in names]


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def station(sqlite_url: str, tmp_path: Path, steps: Steps) -> Iterator[SteppingStation]:
    database = Database(sqlite_url)
    yield SteppingStation(database, tmp_path, steps)
    database.close()


def failing(name: str, error: BaseException) -> Look:
    """A step of one job raises this."""

    def look(request: Any, context: JobContext) -> None:
        if context.job_id == name:
            raise error

    return look


def test_one_call_serves_all_and_one_transaction_ends_them(
    station: SteppingStation, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[int] = []
    complete_many = station.ledger.complete_many

    def counted(completions: Any) -> Any:
        ends.append(len(completions))
        return complete_many(completions)

    monkeypatch.setattr(station.ledger, "complete_many", counted)
    assert station.run("a", "b", "c") == ()
    assert steps.calls == [("a", "b", "c")]
    assert ends == [3]
    assert station.states("a", "b", "c") == [JobState.SUCCEEDED] * 3
    assert station.running.attempts() == []
    assert not station.exclusive_gate._num_shared
    made = station.job("b").result
    assert made is not None
    assert (made.provenance.worker, made.provenance.attempt) == (WORKER, 1)


@pytest.mark.parametrize("step", ["on_prepared", "on_result"])
@pytest.mark.parametrize("error", [InvalidImage("image: damaged"), SystemExit(3), KeyError("x")], ids=repr)
def test_a_job_that_fails_does_not_affect_the_others(
    station: SteppingStation, steps: Steps, step: str, error: BaseException
) -> None:
    setattr(steps, step, failing("b", error))
    station.run("a", "b", "c")
    assert station.states("a", "b", "c") == [JobState.SUCCEEDED, JobState.FAILED, JobState.SUCCEEDED]
    assert len(steps.calls) == 1


@pytest.mark.parametrize("error", [RuntimeError("shapes"), SystemExit(3), torch.OutOfMemoryError()], ids=repr)
def test_if_the_common_call_fails_each_job_has_its_own(
    station: SteppingStation, steps: Steps, error: BaseException
) -> None:
    def poisoned(jobs: Sequence[str]) -> None:
        if "b" in jobs:
            raise error

    steps.on_call = poisoned
    station.run("a", "b", "c")
    assert steps.calls == [("a", "b", "c"), ("a",), ("b",), ("c",)]
    states = station.states("a", "b", "c")
    assert (states[0], states[2]) == (JobState.SUCCEEDED, JobState.SUCCEEDED)
    # Without memory for it alone, it gets another attempt.
    is_memory = isinstance(error, torch.OutOfMemoryError)
    assert states[1] is (JobState.QUEUED if is_memory else JobState.FAILED)


def test_a_canceled_job_stops_and_the_others_go_on(station: SteppingStation, steps: Steps) -> None:
    def cancel(jobs: Sequence[str]) -> None:
        station.ledger.cancel("b")
        station.progress_sync.receive()

    steps.on_call = cancel
    station.run("a", "b", "c")
    assert station.states("a", "b", "c") == [JobState.SUCCEEDED, JobState.CANCELED, JobState.SUCCEEDED]


def test_a_deadline_ends_its_own_job(station: SteppingStation, steps: Steps) -> None:
    def pass_deadline(jobs: Sequence[str]) -> None:
        late = next(each for each in station.running.attempts() if each.claim.job_id == "b")
        late._deadline = 0.0
        station.progress_sync.receive()

    steps.on_call = pass_deadline
    station.run("a", "b", deadline_s=3600)
    assert station.states("a", "b") == [JobState.SUCCEEDED, JobState.EXPIRED]


def test_a_lost_lease_discards_one_result(station: SteppingStation, steps: Steps) -> None:
    def lose(jobs: Sequence[str]) -> None:
        fence = next(each.claim.fence for each in station.running.attempts() if each.claim.job_id == "b")
        station.ledger.release("b", fence)

    steps.on_call = lose
    station.run("a", "b", "c")
    assert station.states("a", "b", "c") == [JobState.SUCCEEDED, JobState.QUEUED, JobState.SUCCEEDED]
    steps.on_call = lambda jobs: None
    assert station.execute("b") is Outcome.SUCCEEDED


def test_a_call_is_withdrawn_once_all_jobs_must_stop(sqlite_url: str, tmp_path: Path, steps: Steps) -> None:
    """As long as one of them needs the answer, the call goes on."""
    may_go_on, is_busy = threading.Event(), threading.Event()
    executor = Batcher(16, 2**20)
    options = CallOptions("stub")
    database = Database(sqlite_url)

    def block(rows: torch.Tensor) -> torch.Tensor:
        is_busy.set()
        assert may_go_on.wait(30)
        return rows

    busy = threading.Thread(target=executor.call, args=(options, block, torch.zeros(1)))
    try:
        station = SteppingStation(database, tmp_path, steps)
        station.executor._model_executor = executor
        steps.on_call = lambda jobs: executor.call(options, torch.neg, torch.zeros(len(jobs), 1))
        busy.start()
        assert is_busy.wait(30)
        running = threading.Thread(target=station.run, args=("a", "b"))
        running.start()
        wait_until(lambda: len(executor._pending) == 2)
        attempts = {each.claim.job_id: each for each in station.running.attempts()}
        attempts["a"].receive(Signal.CANCEL)
        assert len(executor._pending) == 2, "the other job needs the answer"
        attempts["b"].receive(Signal.CANCEL)
        running.join(30)
        assert not running.is_alive(), "both left while the device was busy"
        assert station.states("a", "b") == [JobState.CANCELED] * 2
    finally:
        may_go_on.set()
        busy.join(30)
        executor.close()
        database.close()


def test_the_others_do_not_wait_for_one_that_is_slow_to_begin(
    station: SteppingStation, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_group, "SLOW_S", -1.0)
    left = station.run("a", "b", "c")
    assert [claim.job_id for claim in left] == ["b", "c"]
    assert station.states("a", "b", "c") == [JobState.SUCCEEDED, JobState.RUNNING, JobState.RUNNING]
    assert [station.executor.run(claim) for claim in left] == [Outcome.SUCCEEDED] * 2


def test_each_line_of_the_log_has_its_own_job(
    station: SteppingStation, steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    def look(request: Any, context: JobContext) -> None:
        logging.getLogger("brushwork_workers.look").info("of %s", context.job_id)

    steps.on_prepared = steps.on_result = look
    caplog.handler.addFilter(ContextFilter())
    with caplog.at_level(logging.INFO, "brushwork_workers"):
        station.run("a", "b", "c")
    lines = [record for record in caplog.records if record.name == "brushwork_workers.look"]
    told = [(record.args, record.__dict__["context"]["job"]) for record in lines]
    assert told == [((name,), name) for name in ("a", "b", "c", "a", "b", "c")]
    ends = [record for record in caplog.records if "succeeded after" in record.getMessage()]
    assert [record.__dict__["context"]["job"] for record in ends] == ["a", "b", "c"]


class TestDivision:
    def divided(self, station: SteppingStation, *claims: Claim) -> list[int]:
        return [len(group) for group in station.executor.groups.divided(claims)]

    def claims(self, number: int = 1, **changes: Any) -> list[Claim]:
        fields: dict[str, Any] = {"kind": "text-to-image", "model": "stub", "request": {}, **changes}
        return [Claim(f"{id(fields)}-{n}", **fields, fence=1, attempt=1, queued_s=0.0) for n in range(number)]

    def test_equal_jobs_run_together_up_to_a_limit(self, station: SteppingStation) -> None:
        assert self.divided(station, *self.claims(MOST_TOGETHER + 3)) == [MOST_TOGETHER, 3]

    def test_a_job_that_needs_identical_bytes_runs_alone(self, station: SteppingStation) -> None:
        alone = self.claims(2, request={"deterministic": True})
        assert self.divided(station, *self.claims(2), *alone, *self.claims(1)) == [3, 1, 1]

    def test_a_suspect_runs_alone(self, station: SteppingStation) -> None:
        assert self.divided(station, *self.claims(2), *self.claims(2, alone=True)) == [2, 1, 1]

    def test_a_model_that_is_not_loaded_is_waited_for_by_each_job(self, station: SteppingStation) -> None:
        assert self.divided(station, *self.claims(3, model="large")) == [1, 1, 1]

    def test_no_group_is_larger_than_a_batch_of_the_model(self, station: SteppingStation) -> None:
        station.executor.groups._max_pixels = 2 * Steps.row_pixels
        assert self.divided(station, *self.claims(5)) == [2, 2, 1]

    def test_groups_are_halved_where_memory_does_not_suffice(
        self, station: SteppingStation, steps: Steps
    ) -> None:
        def too_many(jobs: Sequence[str]) -> None:
            if len(jobs) > 2:
                raise torch.OutOfMemoryError

        steps.on_call = too_many
        station.run("a", "b", "c", "d")
        assert station.states("a", "b", "c", "d") == [JobState.SUCCEEDED] * 4
        assert self.divided(station, *self.claims(4)) == [2, 2]
