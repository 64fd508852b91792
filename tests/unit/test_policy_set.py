"""How policies are asked: failures that close or open, time limits, and what is recorded."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from brushwork_core.audit.audit_log import AuditAction, AuditFilter, AuditLog
from brushwork_core.database.database import Database
from brushwork_core.policies import Action, Decision, PolicyRequest
from brushwork_core.policies.decision_log import DecisionLog, DecisionMetrics
from brushwork_core.policies.policy_set import Decided
from brushwork_core.policies.time_limit import MOST_LATE
from prometheus_client import CollectorRegistry

from tests.policy_files import Scripted, policies_of

REQUEST = PolicyRequest("text-to-image", "pocket-shapes", "acme", {"prompt": "a circle"})


def failing(error: BaseException) -> Callable[[Any], Decision | None]:
    def fail(asked: Any) -> Decision | None:
        raise error

    return fail


def only(decided: list[Decided]) -> Decided:
    (found,) = decided
    return found


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3), RecursionError(), MemoryError(), OSError()])
def test_a_policy_that_raises_refuses_by_default(error: BaseException) -> None:
    decided = only(policies_of(Scripted(failing(error))).on_request(REQUEST))
    assert decided.action == "failed"
    assert decided.error is not None
    assert (decided.error.code, decided.error.fault) == ("policy_failed", "operator")


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3)])
def test_a_policy_that_raises_may_be_left_out(error: BaseException) -> None:
    decided = only(policies_of(Scripted(failing(error)), on_error="allow").on_request(REQUEST))
    assert (decided.action, decided.error) == ("failed", None)


@pytest.mark.parametrize("answer", [True, "refuse", Decision("kill", "x"), Decision(Action.FLAG, 3)])  # type: ignore[arg-type]
def test_an_answer_of_another_type_is_a_failure(answer: Any) -> None:
    decided = only(policies_of(Scripted(lambda request: answer)).on_request(REQUEST))
    assert decided.action == "failed"


def test_a_policy_that_hangs_has_failed_and_is_not_called_without_end() -> None:
    may_end, called = threading.Event(), []

    def hang(request: PolicyRequest) -> None:
        called.append(request)
        may_end.wait(60)

    policies = policies_of(Scripted(hang), time_limit_s=0.02)
    try:
        found = [only(policies.on_request(REQUEST)) for _ in range(MOST_LATE + 3)]
        assert {each.action for each in found} == {"failed"}
        assert len(called) == MOST_LATE
    finally:
        may_end.set()


def test_a_policy_is_asked_again_once_late_calls_have_ended() -> None:
    may_end = threading.Event()
    threads = set(threading.enumerate())

    def hang(request: PolicyRequest) -> None:
        may_end.wait(60)

    policies = policies_of(Scripted(hang), time_limit_s=0.02)
    for _ in range(MOST_LATE):
        policies.on_request(REQUEST)
    late = set(threading.enumerate()) - threads
    may_end.set()
    for thread in late:
        thread.join(60)
    assert policies.on_request(REQUEST) == []


def test_a_long_reason_is_cut() -> None:
    policies = policies_of(Scripted(lambda request: Decision(Action.FLAG, "x" * 9000)))
    decided = only(policies.on_request(REQUEST))
    assert decided.decision is not None
    assert len(decided.decision.reason) == 500


def test_decisions_are_recorded_without_the_content_of_the_request(database: Database) -> None:
    log = DecisionLog(AuditLog(database))
    policies = policies_of(Scripted(lambda request: Decision(Action.REFUSE, "no")))
    log.add(policies.on_request(REQUEST), "job-1")
    log.add(policies.on_request(REQUEST))
    first, second = AuditLog(database).events(AuditFilter(action="policy"))
    assert (first.action, first.subjects, first.tenant, first.outcome) == (
        AuditAction.POLICY_DECIDED,
        ("job-1",),
        "acme",
        "refuse",
    )
    assert first.detail == {"policy": "scripted", "stage": "request", "kind": "text-to-image"}
    assert second.subjects == ()
    registry = CollectorRegistry()
    registry.register(DecisionMetrics(log))
    labels = {"policy": "scripted", "action": "refuse"}
    assert registry.get_sample_value("brushwork_policy_decisions_total", labels) == 2
