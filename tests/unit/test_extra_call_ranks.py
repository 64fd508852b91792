"""When extra calls run, by a clock of the test's own."""

from itertools import pairwise

import pytest
from brushwork_workers.batching.call_groups import (
    LEAST_EXTRA_ROWS,
    LONGEST_TIMEOUT_S,
    SHORTEST_TIMEOUT_S,
    CallBatch,
)
from brushwork_workers.batching.scheduler import EXTRA_EVERY_S, EXTRA_PAUSES

from tests.unit.test_batching_policy import Scene


def extra(scene: Scene, *callers: str, key: str = "resnet") -> None:
    for caller in callers:
        scene.call(caller, key, is_extra=True)


def test_extra_calls_of_several_jobs_run_together() -> None:
    scene = Scene()
    extra(scene, "x1", "x2", "y1")
    assert scene.pause_s() == pytest.approx(SHORTEST_TIMEOUT_S)
    scene.now_s += SHORTEST_TIMEOUT_S
    assert scene.run() == ("lingered", ["x1", "x2", "y1"])


@pytest.mark.parametrize("priority", [-1, 0])
@pytest.mark.parametrize("key", ["resnet", "unet"])
def test_an_own_call_runs_before_extra_calls_that_came_first(key: str, priority: int) -> None:
    scene = Scene()
    extra(scene, "x1", "x2")
    scene.now_s += EXTRA_EVERY_S / 2
    scene.call("own", key, priority=priority)
    # It has only just come, and may still wait for others. Extra calls do not run meanwhile.
    assert scene.pause_s() == pytest.approx(SHORTEST_TIMEOUT_S)
    scene.now_s += SHORTEST_TIMEOUT_S
    assert scene.run() == ("lingered", ["own"])
    scene.policy.caller_left("own")
    assert scene.run()[1] == ["x1", "x2"]


def test_extra_calls_of_an_urgent_job_run_after_own_calls() -> None:
    scene = Scene()
    scene.call("x1", "resnet", is_extra=True, priority=2)
    scene.call("own", priority=-1)
    scene.now_s += LONGEST_TIMEOUT_S
    assert scene.run()[1] == ["own"]


def test_calls_that_gain_nothing_by_sharing_run_after_own_ones_too() -> None:
    scene = Scene()
    for took_s, callers in [(1.0, ["a"])] * 3 + [(2.0, ["a", "b"])] * 3:
        scene.calls(*callers, key="resnet")
        scene.now_s += 1
        scene.run(took_s)
    scene.call("old", "resnet", is_extra=True, job_since_s=0.0)
    scene.call("older", "resnet", is_extra=True, job_since_s=-1.0)
    scene.call("own", "resnet", job_since_s=scene.now_s)
    for caller in ("a", "b"):
        scene.policy.caller_left(caller)
    scene.now_s += LONGEST_TIMEOUT_S
    ran = []
    for _ in range(3):
        ran.append(scene.run(1.0)[1])
        scene.policy.caller_left(ran[-1][0])
        scene.now_s += LONGEST_TIMEOUT_S
    assert ran[0] == ["own"]
    assert [name for names in ran[1:] for name in names] == ["older", "old"]


def test_extra_calls_wait_for_a_job_between_two_of_its_calls() -> None:
    scene = Scene()
    scene.call("own")
    scene.now_s += 1
    scene.run(took_s=0.1)
    extra(scene, "x1", "x2")
    assert scene.pause_s() == pytest.approx(0.025)  # a quarter of the last batch
    scene.call("own")
    assert scene.run() == ("complete", ["own"])
    # It is slow to return, or has ended its calls: the device need not be idle.
    scene.now_s += 0.025
    assert scene.run()[1] == ["x1", "x2"]


def test_extra_calls_wait_for_no_job_that_has_left_or_waits_for_them() -> None:
    scene = Scene()
    scene.call("own")
    scene.call("pausing")
    scene.now_s += 1
    scene.run(took_s=10.0)
    scene.policy.caller_left("own")
    scene.policy.caller_pauses("pausing")
    extra(scene, "x1")
    scene.now_s += SHORTEST_TIMEOUT_S
    assert scene.run()[1] == ["x1"]


def test_own_calls_wait_for_no_extra_ones_that_come_back() -> None:
    scene = Scene()
    extra(scene, "x1", "x2", key="unet")
    scene.now_s += 1
    scene.run(took_s=10.0)
    scene.call("own")
    scene.now_s += 1
    scene.run(took_s=10.0)
    scene.call("own")
    assert scene.run() == ("complete", ["own"])


def test_extra_calls_wait_for_extra_ones_that_come_back() -> None:
    scene = Scene()
    extra(scene, "x1", "x2")
    scene.now_s += 1
    scene.run(took_s=0.1)
    extra(scene, "x1")
    assert scene.pause_s() == pytest.approx(0.025)
    extra(scene, "x2")
    assert scene.run() == ("complete", ["x1", "x2"])


@pytest.mark.parametrize(
    ("took_s", "most"), [(0.01, 64), (0.25, 64), (0.5, 32), (1.0, LEAST_EXTRA_ROWS), (60.0, LEAST_EXTRA_ROWS)]
)
def test_a_batch_of_extra_calls_does_not_take_long(took_s: float, most: int) -> None:
    scene = Scene(max_rows=64)
    callers = [f"x{number}" for number in range(200)]
    extra(scene, *callers)
    assert scene.run(took_s) == ("full", callers[:64])
    assert len(scene.run(took_s)[1]) == most
    # Own calls are not limited by it.
    scene.calls(*callers, key="resnet")
    assert scene.run(took_s) == ("full", callers[:64])


def under_load(took_s: float, extra_took_s: float, for_s: float) -> list[tuple[float, str]]:
    """Three jobs always wait, and so does an extra call. Returns when each batch began, and its caller."""
    scene, began = Scene(max_rows=1), list[tuple[float, str]]()
    until_s = scene.now_s + for_s
    scene.calls("own0", "own1", "own2")
    extra(scene, "x")
    while scene.now_s < until_s:
        decision = scene.policy.next_batch(scene.now_s)
        assert isinstance(decision, CallBatch), decision
        (call,) = decision.calls
        began.append((scene.now_s, str(call.caller)))
        duration_s = extra_took_s if call.is_extra else took_s
        scene.now_s += duration_s
        scene.policy.batch_answered(decision)
        scene.policy.batch_ended(decision, duration_s, scene.now_s)
        scene.policy.caller_left(call.caller)
        extra(scene, "x") if call.is_extra else scene.call(f"own{len(began) + 2}")
    return began


@pytest.mark.parametrize(("took_s", "extra_took_s"), [(0.1, 0.1), (0.1, 2.0), (1.0, 0.1)])
def test_extra_calls_run_in_the_end_under_steady_load(took_s: float, extra_took_s: float) -> None:
    began = under_load(took_s, extra_took_s, for_s=60)
    extra_s = [at_s for at_s, caller in began if caller == "x"]
    pauses_s = [after - before - extra_took_s for before, after in pairwise(extra_s)]
    least_s = max(EXTRA_EVERY_S, EXTRA_PAUSES * extra_took_s)
    assert len(extra_s) >= 60 // (least_s + extra_took_s + 2 * took_s)
    assert min(pauses_s) >= least_s - 1e-6
    assert max(pauses_s) <= least_s + took_s + 1e-6
