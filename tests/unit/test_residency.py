"""Which model is loaded next and which goes for it: the rules, and their bounds under any mix of jobs."""

import random
from collections import Counter

import pytest
from brushwork_workers.model_cache.residency import FORGET_S, STAY_LOADS, Load, LoadLater, Residency

BUDGET, STAY_S = 100, 30.0


@pytest.fixture
def residency() -> Residency:
    return Residency(BUDGET, STAY_S)


def load(residency: Residency, name: str, size: int, now_s: float, loading_s: float = 1.0) -> None:
    """As a job has it done that waits for it, where there is room."""
    residency.request(name, size, now_s)
    plan = residency.plan([name], now_s)
    assert plan == Load(name)
    residency.begin(plan)
    assert residency.add(name, size, loading_s, now_s)


def names(plan: Load | LoadLater) -> tuple[str, list[str]]:
    assert isinstance(plan, Load)
    return plan.name, [resident.name for resident in plan.evicted]


class TestRoom:
    def test_what_fits_is_loaded_and_nothing_goes(self, residency: Residency) -> None:
        load(residency, "a", 60, 0.0)
        load(residency, "b", 40, 0.0)
        assert residency.free_bytes == 0
        assert residency.take("a", 1.0)
        assert not residency.take("c", 1.0)

    def test_the_least_recently_used_goes_first(self, residency: Residency) -> None:
        for name in "abc":
            load(residency, name, 30, 0.0)
        for now_s, name in enumerate("bca"):
            residency.take(name, now_s)
            residency.give_back(name, now_s)
        residency.request("d", 40, 99.0)
        assert names(residency.plan(["d"], 99.0)) == ("d", ["b"])
        residency.request("e", 60, 100.0)
        assert names(residency.plan(["e"], 100.0)) == ("e", ["b", "c"])

    def test_none_goes_in_vain(self, residency: Residency) -> None:
        load(residency, "small", 10, 0.0)
        load(residency, "large", 90, 5.0)
        residency.request("new", 80, 99.0)
        assert names(residency.plan(["new"], 99.0)) == ("new", ["large"])

    def test_one_that_is_larger_than_was_said_is_not_there(self, residency: Residency) -> None:
        load(residency, "a", 60, 0.0)
        residency.request("b", 40, 0.0)
        plan = residency.plan(["b"], 0.0)
        assert isinstance(plan, Load)
        residency.begin(plan)
        assert not residency.add("b", 41, 1.0, 0.0)
        residency.request("b", 40, 1.0)
        assert residency.plan(["b"], 1.0) == LoadLater(STAY_S)
        assert names(residency.plan(["b"], STAY_S)) == ("b", ["a"])

    def test_too_large_for_the_budget(self, residency: Residency) -> None:
        residency.request("a", BUDGET + 1, 0.0)
        residency.request("b", BUDGET, 0.0)
        assert (residency.fits_alone("a"), residency.fits_alone("b")) == (False, True)

    def test_a_load_that_is_called_off_has_changed_nothing(self, residency: Residency) -> None:
        load(residency, "a", 60, 0.0)
        residency.request("b", 60, 99.0)
        plan = residency.plan(["b"], 99.0)
        assert isinstance(plan, Load)
        residency.begin(plan)
        assert not residency.take("a", 99.0)
        residency.cancel(plan)
        assert residency.take("a", 99.0)


class TestStay:
    @pytest.mark.parametrize(("loading_s", "stays_s"), [(1.0, STAY_S), (20.0, 20.0 * STAY_LOADS)])
    def test_it_lasts_a_while_and_longer_where_loading_is_long(
        self, residency: Residency, loading_s: float, stays_s: float
    ) -> None:
        load(residency, "a", 60, 0.0, loading_s)
        residency.request("b", 60, 0.0)
        assert residency.plan(["b"], 0.0) == LoadLater(stays_s)
        assert residency.plan(["b"], stays_s - 0.1) == LoadLater(stays_s)
        assert names(residency.plan(["b"], stays_s)) == ("b", ["a"])

    def test_what_nobody_had_asked_for_may_go_at_once(self, residency: Residency) -> None:
        residency.add("a", 60, 5.0, 0.0, is_requested=False)
        residency.request("b", 60, 0.0)
        assert names(residency.plan(["b"], 0.0)) == ("b", ["a"])

    def test_what_can_go_only_together_goes_when_the_last_may(self, residency: Residency) -> None:
        load(residency, "a", 50, 0.0)
        load(residency, "b", 50, 10.0)
        residency.request("c", 100, 10.0)
        assert residency.plan(["c"], STAY_S) == LoadLater(10.0 + STAY_S)


class TestOrder:
    def test_who_was_asked_for_first_is_next_also_where_another_would_fit(self, residency: Residency) -> None:
        load(residency, "a", 60, 0.0)
        residency.request("large", 100, 1.0)
        residency.request("small", 40, 2.0)
        assert residency.plan(["small", "large"], 3.0) == LoadLater(STAY_S)
        assert names(residency.plan(["small", "large"], STAY_S)) == ("large", ["a"])

    def test_a_job_that_went_back_has_kept_its_model_s_place(self, residency: Residency) -> None:
        assert residency.request("a", 60, 1.0) == 1.0
        assert residency.request("b", 60, 2.0) == 2.0
        assert residency.request("a", 60, 50.0) == 1.0
        assert names(residency.plan(["a", "b"], 50.0)) == ("a", [])

    def test_whom_nobody_asks_for_any_more_is_forgotten(self, residency: Residency) -> None:
        residency.request("a", 60, 0.0)
        residency.request("b", 60, FORGET_S + 1)
        assert residency.request("a", 60, FORGET_S + 2) == FORGET_S + 2

    def test_whose_turn_is_far_off_need_not_come_soon(self, residency: Residency) -> None:
        load(residency, "a", 60, 0.0)
        for now_s, name in enumerate("bcd"):
            residency.request(name, 60, now_s)
        assert [residency.expected_wait_s(name, 10.0) for name in "bcd"] == [20.0, 50.0, 80.0]

    def test_one_that_can_not_be_loaded_holds_up_nobody(self, residency: Residency) -> None:
        residency.request("broken", 60, 0.0)
        residency.request("b", 60, 1.0)
        residency.withdraw("broken")
        assert names(residency.plan(["broken", "b"], 2.0)) == ("b", [])


class TestDraining:
    def test_one_in_use_takes_no_new_jobs_once_it_is_to_go(self, residency: Residency) -> None:
        load(residency, "a", 100, 0.0)
        assert residency.take("a", STAY_S)
        residency.request("b", 50, STAY_S)
        assert residency.plan(["b"], STAY_S) == LoadLater(2 * STAY_S)
        assert not residency.take("a", STAY_S)
        residency.give_back("a", STAY_S + 5)
        assert names(residency.plan(["b"], STAY_S + 5)) == ("b", ["a"])

    def test_until_the_load_begins_nobody_takes_what_is_to_go(self, residency: Residency) -> None:
        load(residency, "a", 100, 0.0)
        residency.request("b", 50, STAY_S)
        plan = residency.plan(["b"], STAY_S)
        assert not residency.take("a", STAY_S)
        assert isinstance(plan, Load)
        residency.begin(plan)
        assert residency.add("b", 50, 1.0, STAY_S)
        assert residency.take("b", STAY_S)

    def test_nobody_is_drained_before_enough_may_go(self, residency: Residency) -> None:
        load(residency, "a", 50, 0.0)
        load(residency, "b", 50, 10.0)
        residency.take("a", STAY_S)
        residency.request("c", 100, STAY_S)
        residency.plan(["c"], STAY_S)
        assert residency.take("a", STAY_S)

    def test_one_that_is_empty_goes_before_one_is_drained(self, residency: Residency) -> None:
        load(residency, "a", 50, 0.0)
        load(residency, "b", 50, 0.0)
        residency.take("a", 1.0)
        residency.take("b", 2.0)
        residency.give_back("b", 40.0)
        residency.request("c", 50, 40.0)
        assert names(residency.plan(["c"], 40.0)) == ("c", ["b"])

    def test_the_same_is_drained_until_it_goes(self, residency: Residency) -> None:
        for name in "ab":
            load(residency, name, 50, 0.0)
            residency.take(name, 1.0)
        residency.take("a", 2.0)
        residency.request("c", 50, STAY_S)
        residency.plan(["c"], STAY_S)
        assert (residency.take("a", STAY_S), residency.take("b", STAY_S)) == (True, False)
        residency.give_back("a", STAY_S + 1)
        residency.plan(["c"], STAY_S + 1)
        assert not residency.take("b", STAY_S + 1), "that others were used later does not change it"

    def test_where_that_takes_too_long_all_that_may_go_are_drained(self, residency: Residency) -> None:
        for name in "ab":
            load(residency, name, 50, 0.0)
            residency.take(name, 1.0)
        residency.request("c", 50, STAY_S)
        residency.plan(["c"], STAY_S)
        late_s = 2 * STAY_S
        assert residency.take("b", late_s)
        assert residency.plan(["c"], late_s) == LoadLater()
        assert not residency.take("b", late_s)
        for _ in range(2):
            residency.give_back("b", late_s)
        assert names(residency.plan(["c"], late_s)) == ("c", ["b"])

    def test_once_nobody_waits_all_are_served_again(self, residency: Residency) -> None:
        load(residency, "a", 100, 0.0)
        residency.take("a", STAY_S)
        residency.request("b", 50, STAY_S)
        residency.plan(["b"], STAY_S)
        assert residency.plan([], STAY_S) == LoadLater()
        assert residency.take("a", STAY_S)


class Crowd:
    """Jobs without end that come at random for random models, and a clock that is stepped."""

    def __init__(self, sizes: dict[str, int], seed: int) -> None:
        self.residency = Residency(BUDGET, STAY_S)
        self.sizes = sizes
        self.loads: Counter[str] = Counter()
        self.longest_wait_s = 0.0
        self.most_bytes = 0
        self._random = random.Random(seed)
        self._waits: dict[str, float] = {}
        self._running: list[tuple[float, str]] = []

    def live(self, duration_s: int, longest_job_s: float) -> None:
        for now_s in range(duration_s):
            for end_s, name in [each for each in self._running if each[0] <= now_s]:
                self.residency.give_back(name, end_s)
                self._running.remove((end_s, name))
            for name in self._random.choices(list(self.sizes), k=3):
                self._arrive(name, now_s, longest_job_s)
            self._load(now_s)
            self.most_bytes = max(self.most_bytes, BUDGET - self.residency.free_bytes)
        self.longest_wait_s = max(
            [self.longest_wait_s, *(duration_s - since for since in self._waits.values())]
        )

    def _arrive(self, name: str, now_s: float, longest_job_s: float) -> None:
        if self.residency.take(name, now_s):
            self._running.append((now_s + self._random.uniform(1, longest_job_s), name))
        else:
            self._waits.setdefault(name, now_s)

    def _load(self, now_s: float) -> None:
        for name in self._waits:
            self.residency.request(name, self.sizes[name], now_s)
        plan = self.residency.plan(list(self._waits), now_s)
        if isinstance(plan, Load):
            self.residency.begin(plan)
            assert all(not resident.num_users for resident in plan.evicted)
            assert self.residency.add(plan.name, self.sizes[plan.name], 2.0, now_s)
            self.loads[plan.name] += 1
            self.longest_wait_s = max(self.longest_wait_s, now_s - self._waits.pop(plan.name))


@pytest.mark.parametrize("seed", range(5))
def test_under_any_mix_loads_are_bounded_nobody_starves_and_nothing_overflows(seed: int) -> None:
    open_jobs = Crowd({"a": 45, "b": 50, "c": 55, "d": 60}, seed)
    hours, longest_job_s = 4, 20.0
    open_jobs.live(hours * 3600, longest_job_s)
    # No more than two are there at once, and each stays for STAY_S.
    assert sum(open_jobs.loads.values()) <= 2 * hours * 3600 / STAY_S
    # All others go first; for each, one stays, and is drained.
    assert open_jobs.longest_wait_s <= len(open_jobs.sizes) * (STAY_S + longest_job_s + 2)
    assert open_jobs.most_bytes <= BUDGET
    assert min(open_jobs.loads.values()) > hours * 10
