"""Policies about results, in a worker: refuse, flag, blur and hold."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brushwork_core.audit.audit_log import AuditFilter, AuditLog
from brushwork_core.database.database import Database
from brushwork_core.ledger.held_results import HeldResults
from brushwork_core.policies import Action, Decision, PolicyRequest, PolicyResult
from brushwork_core.policies.policy_set import PolicySet
from brushwork_schemas.states import JobState
from brushwork_workers.execution.executor import Outcome
from brushwork_workers.execution.policies.blurring import LEFT, blurred
from brushwork_workers.interface import JobContext
from PIL import Image

from tests.policy_files import Scripted, policies_of
from tests.stations import TestStation, nothing

pytestmark = pytest.mark.one_database("policies are the same on both")
Station = Callable[..., TestStation]


@pytest.fixture
def station(sqlite_url: str, tmp_path: Path) -> Station:
    def make(policies: PolicySet, act: Any = nothing) -> TestStation:
        return TestStation(Database(sqlite_url), tmp_path, act, policies=policies)

    return make


def deciding(action: Action, **more: Any) -> PolicySet:
    return policies_of(Scripted(on_result=lambda result: Decision(action, "Shows a star.", **more)))


def picture_of(worker: TestStation, job_id: str) -> Image.Image:
    result = worker.job(job_id).result
    assert result is not None
    return Image.open(io.BytesIO(worker.store.get(result.images[0].sha256)))


def test_a_result_is_refused_and_its_files_are_removed(station: Station) -> None:
    worker = station(deciding(Action.REFUSE))
    job_id = worker.adopted()
    assert worker.execute(job_id) is Outcome.FAILED
    job = worker.job(job_id)
    assert job.error is not None
    assert (job.state, job.error.code, job.result) == (JobState.FAILED, "policy_refused", None)
    assert list(worker.store.old_files(-1.0, 10)) == []
    assert worker.execute(job_id) is None


def test_a_result_is_flagged(station: Station) -> None:
    worker = station(deciding(Action.FLAG))
    job_id = worker.adopted()
    assert worker.execute(job_id) is Outcome.SUCCEEDED
    result = worker.job(job_id).result
    assert [each.code for each in result.warnings] == ["policy_flagged"]


@pytest.mark.parametrize("stage", ["request", "result"])
def test_the_pictures_of_a_result_are_blurred(station: Station, stage: str) -> None:
    decision = Decision(Action.BLUR, "Shows a star.")
    policy = Scripted(**{f"on_{stage}": lambda asked: decision})
    worker = station(policies_of(policy), act=lambda request, context: draw(context))
    job_id = worker.adopted()
    assert worker.execute(job_id) is Outcome.SUCCEEDED
    job = worker.job(job_id)
    assert [each.code for each in job.result.warnings] == ["policy_blurred"]
    # A picture of one colour stays as it is, and so does what is no picture of the result.
    assert np.asarray(picture_of(worker, job_id)).std() < 1
    assert sum(map(len, worker.store.old_files(-1.0, 10))) == 2


def draw(context: JobContext) -> None:
    context.save_picture(Image.effect_noise((16, 16), 90).convert("RGB"))


def test_only_some_pictures_are_blurred(station: Station) -> None:
    worker = station(deciding(Action.BLUR, pictures=frozenset({7})))
    job_id = worker.adopted()
    assert worker.execute(job_id) is Outcome.SUCCEEDED
    assert picture_of(worker, job_id).getpixel((0, 0)) == (128, 128, 128)


def test_a_blurred_picture_has_no_more_than_its_rough_colours() -> None:
    noise = Image.effect_noise((200, 100), 90).convert("RGB")
    same = blurred(noise)
    assert (same.size, same.mode) == ((200, 100), "RGB")
    few = np.asarray(noise.resize((LEFT, LEFT // 2), Image.Resampling.BOX).resize((200, 100), 3), float)
    assert np.abs(np.asarray(same, float) - few).max() < 12


@pytest.mark.parametrize("stage", ["request", "result"])
def test_a_held_result_is_served_after_the_review(station: Station, sqlite_url: str, stage: str) -> None:
    decision = Decision(Action.HOLD, "Shows a star.")
    worker = station(policies_of(Scripted(**{f"on_{stage}": lambda asked: decision})))
    job_id = worker.adopted()
    assert worker.execute(job_id) is Outcome.HELD
    job = worker.job(job_id)
    assert (job.state, job.result) == (JobState.SUCCEEDED, None)
    assert job.review is not None
    assert job.review.reason == "Shows a star."
    HeldResults(Database(sqlite_url)).release(job_id)
    assert picture_of(worker, job_id).size == (16, 16)


def test_a_policy_sees_the_pictures_and_the_request(station: Station) -> None:
    seen: list[PolicyResult] = []
    worker = station(policies_of(Scripted(on_result=seen.append)))
    worker.execute(worker.adopted(prompt="a star", tenant="acme"))
    (result,) = seen
    assert result.request.parameters["prompt"] == "a star"
    assert result.request.tenant == "acme"
    (picture,) = result.pictures
    assert picture.read().getpixel((0, 0)) == (128, 128, 128)
    assert result.result["images"][0]["sha256"] == picture.artifact.sha256


def test_nobody_sees_previews_of_a_result_that_is_judged(station: Station) -> None:
    wants: list[bool] = []

    def watch(request: Any, context: JobContext) -> None:
        context._attempt.is_watched = True  # type: ignore[attr-defined]
        wants.append(context.wants_preview())

    worker = station(deciding(Action.FLAG), watch)
    worker.execute(worker.adopted())
    worker.policies.policies = policies_of(Scripted(on_request=lambda request: None), name="requests")
    worker.policies.policies._policies[0].policy.__class__ = RequestsOnly
    worker.execute(worker.adopted("job-2"))
    assert wants == [False, True]


class RequestsOnly(Scripted):
    """A policy that reads no results."""

    reads_results = False


@pytest.mark.parametrize(("on_error", "state"), [("refuse", JobState.FAILED), ("allow", JobState.SUCCEEDED)])
def test_a_policy_that_fails_about_a_result(
    station: Station, sqlite_url: str, on_error: str, state: JobState
) -> None:
    def fail(result: PolicyResult) -> None:
        raise ConnectionError

    worker = station(policies_of(Scripted(on_result=fail), on_error=on_error))
    worker.execute(job_id := worker.adopted())
    assert worker.job(job_id).state is state
    (event,) = AuditLog(Database(sqlite_url)).events(AuditFilter(action="policy"))
    assert (event.outcome, event.detail["stage"]) == ("failed", "result")


def test_without_policies_a_job_costs_no_statement_more(station: Station, sqlite_url: str) -> None:
    worker = station(PolicySet())
    job_id = worker.adopted()
    assert worker.execute(job_id) is Outcome.SUCCEEDED
    assert list(AuditLog(Database(sqlite_url)).events(AuditFilter(action="policy"))) == []
    assert worker.job(job_id).review is None


def test_hold_of_one_policy_and_blur_of_another(station: Station) -> None:
    def request(asked: PolicyRequest) -> Decision:
        return Decision(Action.BLUR, "Blurred.")

    def result(asked: PolicyResult) -> Decision:
        return Decision(Action.HOLD, "Held.")

    worker = station(policies_of(Scripted(request, result)))
    job_id = worker.adopted()
    assert worker.execute(job_id) is Outcome.HELD
    assert worker.job(job_id).review is not None


class TaskEnded(BaseException):
    """Like `asyncio.CancelledError`: no `Exception`."""


@pytest.mark.parametrize(
    "error", [TaskEnded(), KeyboardInterrupt(), SystemExit(), GeneratorExit(), MemoryError()]
)
@pytest.mark.parametrize("stage", ["request", "result"])
def test_whatever_a_policy_raises_is_a_failure_of_the_policy(
    station: Station, stage: str, error: BaseException
) -> None:
    def fail(asked: object) -> None:
        raise error

    worker = station(policies_of(Scripted(**{f"on_{stage}": fail})))
    worker.execute(job_id := worker.adopted())
    job = worker.job(job_id)
    assert job.error is not None
    assert (job.state, job.error.code) == (JobState.FAILED, "policy_failed")


@pytest.mark.parametrize("action", [Action.FLAG, Action.HOLD, Action.REFUSE])
@pytest.mark.parametrize("reason", ["No\0 stars.", "half \ud800 pair", "\x1b[2Jgone", "a" * 10_000])
def test_any_reason_of_a_policy_is_stored_as_text(station: Station, action: Action, reason: str) -> None:
    decision = Decision(action, reason, field="prompt\0" if "\0" in reason else None)
    worker = station(policies_of(Scripted(on_result=lambda result: decision)))
    worker.execute(job_id := worker.adopted())
    job = worker.job(job_id)
    told = json.dumps(job.model_dump(mode="json", include={"error", "review", "result"}), ensure_ascii=False)
    told.encode()
    assert job.is_finished
    assert "\ufffd" in told or "…" in told
    assert not any(each in told for each in ("\0", "\\u0000", "\x1b", "\ud800", "a" * 501))


def test_a_policy_cannot_change_the_job(station: Station) -> None:
    def change(asked: PolicyRequest) -> None:
        asked.parameters["prompt"] = "something else"  # type: ignore[index]

    seen: list[Any] = []
    worker = station(policies_of(Scripted(change)), lambda request, context: seen.append(request.prompt))
    worker.execute(worker.adopted(prompt="a star"))
    assert seen == ["a star"]
