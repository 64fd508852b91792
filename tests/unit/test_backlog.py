"""Who goes next: tenants take turns, the urgent have a head start, and nobody overtakes those who wait."""

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS
from brushwork_core.database.tables import JOBS
from brushwork_core.ledger import ClaimOrder, Ledger, WakeUp
from brushwork_core.ledger.backlog import MOST_TENANTS
from brushwork_core.ledger.claim_order import ClaimedFor
from brushwork_core.ledger.transitions import HEAD_START_MS
from brushwork_core.shares.equal_share import equal_shares
from brushwork_schemas.options import Priority
from sqlalchemy import select, update

from tests.jobs import KIND, claimed, column, hurry, mark_sent, new_job, overdue, taken

OTHER_KIND = "image-to-text"
WEBHOOK_IDS = select(WEBHOOK_EVENTS.c.id)


def wait(ledger: Ledger, *job_ids: str, **options: object) -> None:
    ledger.submit([new_job(job_id, **options) for job_id in job_ids])


def run(ledger: Ledger, tenant: str, number: int, kind: str = KIND) -> None:
    """Have jobs of a tenant run on another worker."""
    names = [f"runs-{tenant}-{kind}-{index}" for index in range(number)]
    wait(ledger, *names, tenant=tenant, kind=kind)
    for name in names:
        claimed(ledger, name, "elsewhere")


def tenants_of(ledger: Ledger, limit: int, order: ClaimOrder | None = None) -> list[str]:
    """Whose jobs are claimed next."""
    before = ClaimOrder([KIND]) if order is None else order
    with ledger._database.reading() as connection:
        rows = connection.execute(select(JOBS.c.id, JOBS.c.tenant)).all()
    tenants = {row.id: row.tenant for row in rows}
    return [tenants[job_id] for job_id in taken(ledger, limit, order=before)]


class TestSubmit:
    def test_a_new_job_has_no_message_and_waits_for_its_turn(
        self, ledger: Ledger, database: Database
    ) -> None:
        assert ledger.submit([new_job("a")]).new == {"a"}
        assert column(database, "a", "dispatched_at") is None
        assert ledger.has_backlog([KIND])

    def test_who_comes_now_does_not_overtake_those_who_wait(self, ledger: Ledger) -> None:
        wait(ledger, "early")
        wait(ledger, "late")
        assert taken(ledger, 1) == ["early"]
        wait(ledger, "next")
        assert taken(ledger) == ["late", "next"]

    def test_they_come_in_the_order_of_submission(self, ledger: Ledger) -> None:
        names = [f"job-{number:02}" for number in range(20)]
        wait(ledger, *reversed(names))
        assert taken(ledger, 5) == names[:5]
        assert taken(ledger, 100) == names[5:]
        assert taken(ledger, 100) == []

    def test_what_was_there_is_not_new(self, ledger: Ledger) -> None:
        wait(ledger, "a")
        assert ledger.submit([new_job("a"), new_job("b")]).new == {"b"}


class TestClaims:
    def test_a_claim_is_as_that_of_a_single_job(self, ledger: Ledger, database: Database) -> None:
        wait(ledger, "a", tenant="t", priority=Priority.HIGH, traceparent="trace", deadline_s=60.0)
        [claim] = ledger.claim_next(ClaimOrder([KIND]), "w", 9).jobs
        assert (claim.job_id, claim.kind, claim.model) == ("a", KIND, "pocket-diffusion")
        assert (claim.request, claim.fence, claim.attempt) == ({"prompt": "a red circle"}, 1, 1)
        assert (claim.label, claim.priority) == ("pocket-diffusion 64x64", Priority.HIGH)
        assert (claim.traceparent, claim.alone, claim.task_id) == ("trace", False, None)
        assert 0 < (claim.deadline_ms or 0) <= 60_000
        assert [column(database, "a", name) for name in ("state", "worker")] == ["running", "w"]
        assert column(database, "a", "is_performing")

    def test_the_lease_begins_with_the_claim(self, database: Database) -> None:
        ledger = Ledger(database, lease_s=-1.0)
        wait(ledger, "a", "b")
        assert taken(ledger) == ["a", "b"]
        assert set(ledger.reap().queued) == {"a", "b"}

    def test_the_start_is_told_of_those_whose_webhook_wants_it(
        self, ledger: Ledger, database: Database
    ) -> None:
        url = "https://receiver.example"
        wait(ledger, "told", webhook_url=url, webhook_events=("started", "failed"))
        wait(ledger, "quiet", webhook_url=url)
        taken(ledger)
        with database.reading() as connection:
            assert list(connection.execute(WEBHOOK_IDS).scalars()) == ["told:started"]

    def test_it_is_said_whether_there_may_be_more(self, ledger: Ledger) -> None:
        wait(ledger, "a", "b", "c")
        order = ClaimOrder([KIND])
        assert [ledger.claim_next(order, "w", 2).more for _ in range(2)] == [True, False]
        assert ledger.claim_next(order, "w", 2).jobs == ()

    def test_what_may_not_run_is_no_backlog(self, ledger: Ledger, database: Database) -> None:
        wait(ledger, "late", deadline_s=60.0)
        overdue(database, "late")
        wait(ledger, "paused", not_before_ms=9_000_000_000_000)
        wait(ledger, "sent", "ended", "runs")
        mark_sent(database, "sent")
        ledger.cancel("ended")
        claimed(ledger, "runs")
        assert (taken(ledger), ledger.has_backlog([KIND])) == ([], False)
        hurry(database, "paused")
        assert taken(ledger) == ["paused"]

    def test_no_kinds_have_no_jobs(self, ledger: Ledger) -> None:
        wait(ledger, "a")
        assert (taken(ledger, kinds=[]), ledger.has_backlog([])) == ([], False)


class TestPriority:
    def test_the_urgent_go_first_and_equals_in_the_order_of_submission(self, ledger: Ledger) -> None:
        for number, priority in enumerate(["low", "normal", "urgent", "high", "normal", "urgent"]):
            wait(ledger, f"{priority}-{number}", priority=Priority(priority))
        assert taken(ledger) == ["urgent-2", "urgent-5", "high-3", "normal-1", "normal-4", "low-0"]

    def test_each_step_is_a_head_start_so_that_nobody_starves(
        self, ledger: Ledger, database: Database
    ) -> None:
        wait(ledger, "old")
        with database.writing() as connection:
            connection.execute(update(JOBS).values(rank=JOBS.c.rank - HEAD_START_MS - 1))
        wait(ledger, "high", priority=Priority.HIGH)
        wait(ledger, "urgent", priority=Priority.URGENT)
        assert taken(ledger) == ["urgent", "old", "high"]

    def test_the_message_bears_it(self) -> None:
        job = new_job("a", priority=Priority.HIGH, tenant="t", traceparent="trace")
        assert WakeUp.of(job) == WakeUp("a", KIND, "pocket-diffusion 64x64", Priority.HIGH, "trace")


class TestTenants:
    def test_one_of_another_is_in_the_next_claim_whoever_waits(self, ledger: Ledger) -> None:
        wait(ledger, *(f"many-{number:04}" for number in range(1000)), tenant="many")
        wait(ledger, "single", tenant="single")
        assert "single" in taken(ledger, 2)

    def test_they_take_turns(self, ledger: Ledger) -> None:
        for tenant in "xyz":
            wait(ledger, *(f"{tenant}{number}" for number in range(3)), tenant=tenant)
        order = ClaimOrder([KIND])
        rounds = [taken(ledger, 1, order=order) for _ in range(5)]
        assert rounds == [["x0"], ["y0"], ["z0"], ["x1"], ["y1"]]
        assert taken(ledger, 2, order=order) == ["z1", "x2"]
        assert taken(ledger, order=order) == ["y2", "z2"]
        assert taken(ledger, order=order) == []

    @pytest.mark.parametrize("after", [None, "", "a", "b", "c"])
    def test_the_turns_go_on_after_the_last_one_also_without_a_name(
        self, ledger: Ledger, after: str | None
    ) -> None:
        tenants = ["", "a", "b", "c"]
        for tenant in tenants:
            wait(ledger, f"job-{tenant}", tenant=tenant)
        order = ClaimOrder([KIND])
        order.note([] if after is None else [ClaimedFor(KIND, after, 1)])
        start = 0 if after is None else tenants.index(after) + 1
        assert tenants_of(ledger, 9, order) == [*tenants[start:], *tenants[:start]]

    def test_an_urgent_job_of_one_does_not_overtake_another(self, ledger: Ledger) -> None:
        wait(ledger, "plain", tenant="a")
        wait(ledger, "urgent", tenant="b", priority=Priority.URGENT)
        assert taken(ledger, 1) == ["plain"]

    @pytest.mark.parametrize("limit", [1, 3])
    def test_more_tenants_than_room_come_round(self, ledger: Ledger, limit: int) -> None:
        tenants = [f"t{number}" for number in range(7)]
        for tenant in tenants:
            wait(ledger, f"job-{tenant}", f"job-{tenant}-2", tenant=tenant)
        order, first = ClaimOrder([KIND]), list[str]()
        while len(first) < len(tenants):
            first += tenants_of(ledger, limit, order)
        assert first[: len(tenants)] == tenants

    def test_more_tenants_than_one_claim_serves_come_round(self, ledger: Ledger) -> None:
        tenants = [f"t{number:03}" for number in range(MOST_TENANTS + 10)]
        for tenant in tenants:
            wait(ledger, f"job-{tenant}-1", f"job-{tenant}-2", tenant=tenant)
        order = ClaimOrder([KIND])
        first = [name for _ in range(2) for name in tenants_of(ledger, MOST_TENANTS, order)]
        assert first[: len(tenants)] == tenants

    def test_those_of_other_kinds_do_not_count(self, ledger: Ledger) -> None:
        wait(ledger, "a", kind=OTHER_KIND)
        assert (taken(ledger), ledger.has_backlog([KIND])) == ([], False)


class TestShares:
    """Each job goes to the tenant that runs the fewest, on whichever worker."""

    @pytest.mark.parametrize("limit", [1, 2, 4])
    def test_a_tenant_that_comes_later_gets_jobs_until_it_runs_equally_many(
        self, ledger: Ledger, limit: int
    ) -> None:
        run(ledger, "greedy", 4)
        wait(ledger, *(f"greedy-{number}" for number in range(9)), tenant="greedy")
        wait(ledger, *(f"late-{number}" for number in range(9)), tenant="late")
        order, claimed_by = ClaimOrder([KIND]), list[str]()
        # Whichever was the last.
        order.note([ClaimedFor(KIND, "late", 2**50)])
        while len(claimed_by) < 4:
            claimed_by += tenants_of(ledger, limit, order)
        assert claimed_by == ["late"] * 4
        assert sorted(tenants_of(ledger, 4, order)) == ["greedy", "greedy", "late", "late"]

    @pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
    def test_what_one_leaves_the_others_may_have(self, ledger: Ledger, names: tuple[str, str]) -> None:
        few, many = names
        run(ledger, many, 5)
        wait(ledger, "only", tenant=few)
        wait(ledger, *(f"many-{number}" for number in range(9)), tenant=many)
        assert sorted(tenants_of(ledger, 4)) == sorted([few, many, many, many])

    def test_jobs_of_other_kinds_are_no_part_of_a_share(self, ledger: Ledger) -> None:
        run(ledger, "a", 4, kind=OTHER_KIND)
        for tenant in "ab":
            wait(ledger, f"{tenant}1", f"{tenant}2", tenant=tenant)
        assert sorted(tenants_of(ledger, 2)) == ["a", "b"]

    @pytest.mark.parametrize(
        ("number", "waiting", "running", "shares"),
        [
            (5, ["a"], {"a": 100}, {"a": 5}),
            (5, ["a", "b"], {}, {"a": 3, "b": 2}),
            (5, ["b", "a"], {}, {"b": 3, "a": 2}),
            (2, ["a", "b"], {"a": 4}, {"b": 2}),
            (6, ["a", "b"], {"a": 4}, {"a": 1, "b": 5}),
            (3, ["a", "b", "c"], {"a": 1, "b": 1, "other": 9}, {"a": 1, "b": 1, "c": 1}),
            (2, ["c", "a"], {"c": 1, "a": 2, "b": 2}, {"c": 1, "a": 1}),
            (0, ["a", "b"], {}, {}),
        ],
    )
    def test_shares(
        self, number: int, waiting: list[str], running: dict[str, int], shares: dict[str, int]
    ) -> None:
        found = equal_shares(number, waiting, running)
        assert (found, list(found)) == (shares, list(shares))


class TestKinds:
    def test_kinds_take_turns(self, ledger: Ledger) -> None:
        for kind in (KIND, OTHER_KIND):
            wait(ledger, *(f"{kind}-{number}" for number in range(3)), kind=kind)
        order = ClaimOrder([KIND, OTHER_KIND])
        found = [taken(ledger, 1, order=order)[0].rpartition("-")[0] for _ in range(4)]
        assert found == [KIND, OTHER_KIND] * 2

    def test_room_is_divided_between_them(self, ledger: Ledger) -> None:
        for kind in (KIND, OTHER_KIND):
            wait(ledger, *(f"{kind}-{number}" for number in range(9)), kind=kind)
        found = taken(ledger, 4, kinds=[KIND, OTHER_KIND])
        assert [name.rpartition("-")[0] for name in found] == [KIND, KIND, OTHER_KIND, OTHER_KIND]

    @pytest.mark.parametrize("kinds", [[KIND, OTHER_KIND], [OTHER_KIND, KIND]])
    def test_a_kind_with_few_jobs_leaves_its_room_to_others(self, ledger: Ledger, kinds: list[str]) -> None:
        wait(ledger, "only", kind=OTHER_KIND)
        wait(ledger, *(f"many-{number}" for number in range(9)))
        order, found = ClaimOrder(kinds), list[str]()
        while len(found) < 6:
            claims = ledger.claim_next(order, "w", 6 - len(found))
            found += [claim.job_id for claim in claims.jobs]
            assert claims.more, "so the worker looks again at once"
        assert len(found) == 6
        assert "only" in found

    def test_a_worker_of_one_kind_leaves_the_others(self, ledger: Ledger) -> None:
        wait(ledger, "a")
        wait(ledger, "b", kind=OTHER_KIND)
        assert not ledger.has_backlog(["segmentation"])
        assert taken(ledger, kinds=[OTHER_KIND]) == ["b"]


@pytest.mark.parametrize("limit", [1, 3])
def test_what_went_back_to_the_queue_is_claimed_in_its_old_place(ledger: Ledger, limit: int) -> None:
    wait(ledger, "first", "second")
    [name] = taken(ledger, 1)
    ledger.release(name, 1)
    assert taken(ledger, limit)[0] == name == "first"
