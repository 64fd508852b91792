"""Which calls run when, by a clock of the test's own."""

from typing import Any

import pytest
from brushwork_workers.batching.budget import BATCHES_BEFORE_GROWTH, BatchBudget
from brushwork_workers.batching.call_groups import (
    LONGEST_TIMEOUT_S,
    SHORTEST_TIMEOUT_S,
    CallBatch,
    WaitingCall,
)
from brushwork_workers.batching.scheduler import MAX_GROUPS, Scheduler, Wait


class Scene:
    """A policy, a clock and the calls that wait."""

    def __init__(self, max_rows: int = 8, max_pixels: int = 10**9) -> None:
        self.policy = Scheduler(max_rows, max_pixels)
        self.now_s = 100.0

    def call(self, caller: str, key: str = "unet", **changes: Any) -> None:
        module = key.split(" ")[0]
        self.policy.call_arrived(WaitingCall(caller, module, key, self.now_s, **changes))

    def calls(self, *callers: str, key: str = "unet") -> None:
        for caller in callers:
            self.call(caller, key)

    def run(self, took_s: float = 0.1) -> tuple[str, list[str]]:
        """The run that is due now: its reason and its callers."""
        decision = self.policy.next_batch(self.now_s)
        assert isinstance(decision, CallBatch), f"nothing is due: {decision}"
        self.now_s += took_s
        self.policy.batch_answered(decision)
        self.policy.batch_ended(decision, took_s, self.now_s)
        return decision.reason, [str(call.caller) for call in decision.calls]

    def pause_s(self) -> float | None:
        """How long the policy wants to wait."""
        decision = self.policy.next_batch(self.now_s)
        assert isinstance(decision, Wait), f"a run is due: {decision}"
        return None if decision.at_s is None else decision.at_s - self.now_s


def test_nothing_waits_for_nothing() -> None:
    assert Scene().pause_s() is None


def test_calls_submitted_together_run_together() -> None:
    scene = Scene()
    scene.calls("a", "b", "c")
    assert scene.pause_s() == pytest.approx(SHORTEST_TIMEOUT_S)
    scene.now_s += SHORTEST_TIMEOUT_S
    assert scene.run() == ("lingered", ["a", "b", "c"])


def test_a_batch_runs_again_as_soon_as_all_are_back() -> None:
    scene = Scene()
    scene.calls("a", "b")
    scene.now_s += 1
    scene.run()
    scene.call("a")
    assert scene.pause_s() == pytest.approx(0.025)  # a quarter of the last run
    scene.now_s += 0.01
    scene.call("b")
    assert scene.run() == ("complete", ["a", "b"])


def test_a_slow_one_does_not_hold_the_others_for_long() -> None:
    scene = Scene()
    scene.calls("a", "b")
    scene.now_s += 1
    scene.run(took_s=10.0)
    scene.call("a")
    assert scene.pause_s() == pytest.approx(LONGEST_TIMEOUT_S)
    scene.now_s += LONGEST_TIMEOUT_S
    assert scene.run() == ("lingered", ["a"])


@pytest.mark.parametrize("elsewhere", [True, False], ids=["calls another model", "has ended"])
def test_nobody_waits_for_one_who_went_on(elsewhere: bool) -> None:
    scene = Scene()
    scene.calls("a", "b")
    scene.now_s += 1
    scene.run()
    scene.call("a")
    if elsewhere:
        scene.call("b", key="vae")
    else:
        scene.policy.caller_left("b")
    assert scene.run() == ("complete", ["a"])


def test_a_newcomer_joins_the_running_batch() -> None:
    scene = Scene()
    scene.call("a")
    scene.now_s += 1
    scene.run()
    scene.calls("new", "a")
    assert scene.run() == ("complete", ["new", "a"])


def test_a_full_batch_waits_for_nobody_and_the_rest_come_next() -> None:
    scene = Scene(max_rows=2)
    scene.calls("a", "b", "c")
    assert scene.run() == ("full", ["a", "b"])
    scene.now_s += 1
    assert scene.run() == ("lingered", ["c"])


def test_guided_and_unguided_calls_share_a_run_within_the_rows() -> None:
    scene = Scene(max_rows=4)
    scene.call("a", rows=2)
    scene.call("b", rows=1)
    scene.call("c", rows=2)
    assert scene.run() == ("full", ["a", "b"])


def test_one_call_larger_than_the_limit_still_runs() -> None:
    scene = Scene(max_rows=2)
    scene.call("big", rows=5)
    assert scene.run() == ("full", ["big"])


def test_the_oldest_ready_group_goes_first() -> None:
    scene = Scene()
    scene.call("a", key="small")
    scene.now_s += 0.5
    scene.call("b", key="large")
    scene.now_s += 0.5
    assert scene.run()[1] == ["a"]
    assert scene.run()[1] == ["b"]


def test_a_lingering_group_leaves_the_device_to_a_ready_one() -> None:
    scene = Scene()
    scene.calls("a", "b")
    scene.now_s += 1
    scene.run(took_s=1.0)
    scene.call("a")
    for caller in "cdefghij":
        scene.call(caller, key="other")
    assert scene.run(took_s=0.0) == ("full", list("cdefghij"))


def test_a_stream_of_another_shape_starves_nobody() -> None:
    scene = Scene(max_rows=2)
    scene.call("lonely", key="rare")
    ran: list[str] = []
    for index in range(20):
        scene.calls(f"x{index}", f"y{index}")
        ran += scene.run(took_s=0.01)[1]
        if "lonely" in ran:
            return
    pytest.fail("the lonely call never ran")


def test_a_withdrawn_call_does_not_run() -> None:
    scene = Scene()
    scene.calls("a", "b")
    scene.policy.caller_left("a")
    scene.now_s += 1
    assert scene.run() == ("lingered", ["b"])


def test_out_of_memory_halves_the_rows_and_keeps_the_order() -> None:
    scene = Scene(max_rows=8)
    scene.calls("a", "b", "c", "d")
    scene.now_s += 1
    decision = scene.policy.next_batch(scene.now_s)
    assert isinstance(decision, CallBatch)
    scene.call("e")
    scene.policy.batch_out_of_memory(decision)
    assert scene.run() == ("full", ["a", "b"])
    assert scene.run() == ("full", ["c", "d"])


def test_a_budget_grows_back_after_many_good_runs_and_never_beyond_its_bound() -> None:
    budget = BatchBudget(max_rows=16, max_pixels=1600)
    budget.failed(1600)
    assert budget.max_pixels == 800
    for _ in range(BATCHES_BEFORE_GROWTH):
        budget.succeeded(400)  # says nothing about larger ones
    assert budget.max_pixels == 800
    for _ in range(20 * BATCHES_BEFORE_GROWTH):
        budget.succeeded(budget.max_pixels)
    assert budget.max_pixels == 1600


def test_a_budget_never_falls_below_one() -> None:
    budget = BatchBudget(max_rows=2, max_pixels=2)
    for _ in range(5):
        budget.failed(budget.max_pixels)
    assert budget.max_pixels == 1


def test_pixels_bound_a_run_as_rows_do() -> None:
    scene = Scene(max_pixels=1000)
    for caller in "abc":
        scene.call(caller, pixels=400)
    assert scene.run() == ("full", ["a", "b"])


def test_what_did_not_fit_at_one_size_holds_for_the_others_of_its_module() -> None:
    scene = Scene()
    for caller in "abcd":
        scene.call(caller, key="unet large", pixels=100)
    scene.now_s += 1
    run = scene.policy.next_batch(scene.now_s)
    assert isinstance(run, CallBatch)
    scene.policy.batch_out_of_memory(run)
    for caller in "efghi":
        scene.call(caller, key="unet small", pixels=50)
    assert scene.run()[1] == ["a", "b"]
    assert scene.run()[1] == ["c", "d"]
    assert scene.run()[1] == ["e", "f", "g", "h"]


def test_two_halves_of_a_batch_become_one() -> None:
    """Calls that came while the others ran wait for them; else the halves would take turns for ever."""
    scene = Scene()
    scene.calls("a", "b")
    scene.now_s += 1
    decision = scene.policy.next_batch(scene.now_s)
    assert isinstance(decision, CallBatch)
    scene.calls("c", "d")
    scene.now_s += 1
    scene.policy.batch_answered(decision)
    scene.policy.batch_ended(decision, 1.0, scene.now_s)
    assert scene.pause_s() == pytest.approx(LONGEST_TIMEOUT_S)
    scene.calls("a", "b")
    assert scene.run() == ("complete", ["c", "d", "a", "b"])


def test_the_urgent_overtake() -> None:
    scene = Scene(max_rows=2)
    scene.calls("a", "b")
    scene.call("urgent", priority=1)
    assert scene.run() == ("full", ["urgent", "a"])


def test_the_urgent_starve_nobody() -> None:
    scene = Scene(max_rows=1)
    scene.call("patient", key="rare")
    for index in range(100):
        scene.call(f"urgent {index}", priority=2)
        if scene.run(took_s=0.1)[1] == ["patient"]:
            return
    pytest.fail("the patient call never ran")


def test_nobody_waits_for_a_caller_that_does_not_come_back() -> None:
    scene = Scene()
    scene.call("guest", comes_back=False)
    scene.now_s += 1
    scene.run()
    scene.call("a")
    assert scene.run() == ("complete", ["a"])


def test_a_run_says_why_others_have_no_part_in_it() -> None:
    scene = Scene(max_rows=2)
    scene.calls("a", "b", "c")
    scene.call("d", key="unet large")
    scene.call("e", key="vae")
    decision = scene.policy.next_batch(scene.now_s)
    assert isinstance(decision, CallBatch)
    assert decision.passed_over == {"no room": 1, "other arguments": 1, "other module": 1}


@pytest.mark.parametrize("fits", [True, False])
def test_a_group_may_be_forgotten_while_its_calls_run(fits: bool) -> None:
    scene = Scene()
    scene.calls("a", "b")
    scene.now_s += 1
    run = scene.policy.next_batch(scene.now_s)
    assert isinstance(run, CallBatch)
    for number in range(MAX_GROUPS):
        scene.call("c", f"key {number}")
        scene.policy.caller_left("c")
    if fits:
        scene.policy.batch_answered(run)
        scene.policy.batch_ended(run, 0.1, scene.now_s)
        scene.calls("a", "b")
    else:
        scene.policy.batch_out_of_memory(run)
    assert sorted(scene.run()[1]) == (["a", "b"] if fits else ["a"])


def test_keys_that_nobody_uses_are_forgotten() -> None:
    scene = Scene()
    for index in range(3 * MAX_GROUPS):
        scene.call("a", key=f"shape {index}")
        scene.now_s += 1
        scene.run()
    assert len(scene.policy._groups) <= MAX_GROUPS
