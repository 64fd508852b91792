"""Whose fault an error was decides whether there is another attempt, when, where, and whether alone."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from brushwork_core.ledger import Claim
from brushwork_schemas.errors import (
    ArtifactMissing,
    BrushworkError,
    DeviceFailed,
    InvalidImage,
    MachineError,
    NotFinite,
    OutOfMemory,
    ServiceUnreachable,
)
from brushwork_workers.device.failures import coded_error
from brushwork_workers.execution.retries import LONGEST_PAUSE_S, SPREAD, NextAttempt, RetryPolicy

PAUSE_S = 2.0
CLAIM = Claim(job_id="a", kind="k", model="m", request={}, fence=1, attempt=1, queued_s=0.0)
MACHINE = [MachineError("x"), ArtifactMissing("x"), ServiceUnreachable("x")]


def every_error(of: type[BrushworkError] = BrushworkError) -> Iterator[type[BrushworkError]]:
    yield of
    for narrower in of.__subclasses__():
        yield from every_error(narrower)


# A service that refuses every worker.
REFUSING = sorted(
    {each for each in every_error(ServiceUnreachable) if each.fault == "operator"}, key=lambda each: each.code
)
# A network computes the same values again, wherever it runs.
OPERATOR = sorted(
    {each for each in every_error() if each.fault == "operator"} - {NotFinite, *REFUSING},
    key=lambda each: each.code,
)


def decide(error: BrushworkError, claim: Claim = CLAIM, *, others: bool = False) -> NextAttempt | None:
    return RetryPolicy("me", others_serve=lambda kind, model: others, first_pause_s=PAUSE_S).next_attempt(
        claim, error
    )


@pytest.mark.parametrize("error", REFUSING, ids=lambda error: error.code)
def test_a_service_that_refuses_is_mended_without_another_worker(error: type[BrushworkError]) -> None:
    """Such as a bucket that is missing: a job does not fail at once for it."""
    decided = decide(error("x"))
    assert decided is not None
    assert PAUSE_S <= decided.after_s <= PAUSE_S * (1 + SPREAD)


@pytest.mark.parametrize(
    "error", [InvalidImage("x"), BrushworkError("x"), NotFinite("x")], ids=lambda error: error.code
)
def test_what_comes_again_each_time_fails_at_once(error: BrushworkError) -> None:
    assert decide(error) is None


@pytest.mark.parametrize("error", MACHINE, ids=lambda error: error.code)
def test_the_machine_s_fault_gets_another_attempt(error: BrushworkError) -> None:
    again = decide(error)
    assert again is not None
    assert PAUSE_S <= again.after_s <= PAUSE_S * (1 + SPREAD)
    assert (again.avoid, again.alone) == (None, False)


def test_the_operator_s_errors_are_known() -> None:
    codes = {each.code for each in OPERATOR}
    assert codes >= {
        "model_unavailable", "model_not_here", "model_file_missing", "hash_mismatch", "pickled_weights",
        "remote_code", "unknown_model_class", "model_too_large", "missing_extra", "plugin_failed",
    }  # fmt: skip


@pytest.mark.parametrize("error", OPERATOR, ids=lambda error: error.code)
def test_the_operator_s_fault_is_repeated_only_where_another_worker_has_the_model(
    error: type[BrushworkError],
) -> None:
    def others_serve(kind: str, model: str | None) -> bool:
        # Another worker serves the kind; it has one model.
        return model in (None, "another")

    policy = RetryPolicy("me", others_serve, PAUSE_S)
    assert policy.next_attempt(CLAIM, error("x")) is None
    again = policy.next_attempt(replace(CLAIM, model="another"), error("x"))
    assert again is not None
    assert again.avoid == "me"


def test_a_job_under_which_the_device_failed_takes_no_others_with_it() -> None:
    again = decide(DeviceFailed("x"), others=True)
    assert again is not None
    assert (again.avoid, again.alone) == ("me", True)
    assert again.after_s >= PAUSE_S


def test_the_pause_doubles_up_to_a_bound() -> None:
    claim = replace(CLAIM, max_attempts=100)
    for attempt, pause_s in ((2, 4.0), (3, 8.0), (50, LONGEST_PAUSE_S)):
        again = decide(MachineError("x"), replace(claim, attempt=attempt))
        assert again is not None
        assert pause_s <= again.after_s <= pause_s * (1 + SPREAD)


def test_two_that_failed_together_do_not_come_together() -> None:
    pauses = {again.after_s for _ in range(20) if (again := decide(MachineError("x")))}
    assert len(pauses) > 1


@pytest.mark.parametrize(("others", "avoid"), [(True, "me"), (False, None)])
def test_another_worker_has_the_first_try_if_there_is_one(others: bool, avoid: str | None) -> None:
    again = decide(MachineError("x"), others=others)
    assert again is not None
    assert again.avoid == avoid


def test_where_nobody_knows_of_others_it_stays_here() -> None:
    def away(kind: str, model: str | None) -> bool:
        raise ServiceUnreachable("away")

    again = RetryPolicy("me", away, PAUSE_S).next_attempt(CLAIM, MachineError("x"))
    assert again is not None
    assert again.avoid is None


@pytest.mark.parametrize("error", [MachineError("x"), OutOfMemory("x")], ids=lambda error: error.code)
def test_the_last_attempt_is_the_last(error: BrushworkError) -> None:
    assert decide(error, replace(CLAIM, attempt=3, max_attempts=3)) is None


def test_too_little_memory_beside_others_may_be_enough_alone() -> None:
    assert decide(OutOfMemory("x")) == NextAttempt(0.0, alone=True)
    assert decide(OutOfMemory("x"), replace(CLAIM, alone=True)) is None


@pytest.mark.parametrize(
    ("raised", "sort"),
    [
        (InvalidImage("x"), InvalidImage),
        (MemoryError(), OutOfMemory),
        (torch.OutOfMemoryError("private words"), OutOfMemory),
        (torch.AcceleratorError("private words"), DeviceFailed),
        (OSError("private words"), MachineError),
        (TimeoutError(), MachineError),
        (KeyError("private words"), BrushworkError),
        (SystemExit(1), BrushworkError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_whatever_a_library_raised_has_a_code(raised: BaseException, sort: type[BrushworkError]) -> None:
    error = coded_error(raised)
    assert type(error) is sort
    assert error is raised or error.hint
    assert "private words" not in str(error)
