"""Who goes next: tenants take turns, the urgent have a head start, and nobody overtakes those who wait."""

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from brushwork_core.ledger import Dispatch, Ledger
from brushwork_core.ledger.transitions import HEAD_START_MS
from brushwork_schemas.options import Priority
from sqlalchemy import update

from tests.jobs import KIND, claimed, column, new_job


def wait(ledger: Ledger, *job_ids: str, **options: object) -> None:
    """Submit jobs without messages."""
    ledger.submit([new_job(job_id, **options) for job_id in job_ids], sent=())


def sent(ledger: Ledger, limit: int, after: str | None = None) -> list[str]:
    return [job.job_id for job in ledger.dispatch(KIND, limit, after_tenant=after)]


class TestSubmit:
    def test_only_what_can_be_sent_counts_as_sent(self, ledger: Ledger, database: Database) -> None:
        submitted = ledger.submit([new_job(name) for name in "abc"], sent={"a", "stranger"})
        assert (submitted.new, submitted.sent) == ({"a", "b", "c"}, {"a"})
        assert [column(database, name, "dispatched_at") is None for name in "abc"] == [False, True, True]

    def test_who_comes_now_does_not_overtake_those_who_wait(self, ledger: Ledger) -> None:
        wait(ledger, "early")
        submitted = ledger.submit([new_job("late"), new_job("other", kind="image-to-text")])
        assert (submitted.new, submitted.sent) == ({"late", "other"}, {"other"})
        assert sent(ledger, 9) == ["early", "late"]
        assert ledger.submit([new_job("next")]).sent == {"next"}

    def test_what_was_there_is_not_sent_once_more(self, ledger: Ledger) -> None:
        ledger.submit([new_job("a")])
        assert ledger.submit([new_job("a"), new_job("b")]).sent == {"b"}


class TestPriority:
    def test_the_urgent_go_first_and_equals_in_the_order_of_submission(self, ledger: Ledger) -> None:
        for number, priority in enumerate(["low", "normal", "urgent", "high", "normal", "urgent"]):
            wait(ledger, f"{priority}-{number}", priority=Priority(priority))
        assert sent(ledger, 9) == ["urgent-2", "urgent-5", "high-3", "normal-1", "normal-4", "low-0"]

    def test_each_step_is_a_head_start_so_that_nobody_starves(
        self, ledger: Ledger, database: Database
    ) -> None:
        wait(ledger, "old")
        with database.writing() as connection:
            connection.execute(update(JOBS).values(rank=JOBS.c.rank - HEAD_START_MS - 1))
        wait(ledger, "high", priority=Priority.HIGH)
        wait(ledger, "urgent", priority=Priority.URGENT)
        assert sent(ledger, 9) == ["urgent", "old", "high"]

    def test_the_message_bears_it(self, ledger: Ledger) -> None:
        wait(ledger, "a", priority=Priority.HIGH, tenant="t")
        label = "pocket-diffusion 64x64"
        assert ledger.dispatch(KIND, 1) == [Dispatch("a", KIND, label, Priority.HIGH, "t")]


class TestTenants:
    def test_one_of_another_is_in_the_next_dispatch_whoever_waits(self, ledger: Ledger) -> None:
        wait(ledger, *(f"many-{number:04}" for number in range(1000)), tenant="many")
        wait(ledger, "single", tenant="single")
        assert "single" in sent(ledger, 2)

    def test_they_take_turns(self, ledger: Ledger) -> None:
        for tenant in "xyz":
            wait(ledger, *(f"{tenant}{number}" for number in range(3)), tenant=tenant)
        assert sent(ledger, 5) == ["x0", "y0", "z0", "x1", "y1"]
        assert sent(ledger, 2, after="y") == ["z1", "x2"]
        assert sent(ledger, 9, after="x") == ["y2", "z2"]

    def test_an_urgent_job_of_one_does_not_overtake_another(self, ledger: Ledger) -> None:
        wait(ledger, "plain", tenant="a")
        wait(ledger, "urgent", tenant="b", priority=Priority.URGENT)
        assert sent(ledger, 1) == ["plain"]

    def test_more_tenants_than_room_come_round(self, ledger: Ledger) -> None:
        tenants = [f"t{number}" for number in range(7)]
        for tenant in tenants:
            wait(ledger, f"job-{tenant}", f"job-{tenant}-2", tenant=tenant)
        first, last = [], None
        while len(first) < len(tenants):
            jobs = ledger.dispatch(KIND, 3, after_tenant=last)
            last = jobs[-1].tenant
            first += [job.tenant for job in jobs]
        assert first[: len(tenants)] == tenants

    def test_those_of_other_kinds_do_not_count(self, ledger: Ledger) -> None:
        wait(ledger, "a", kind="image-to-text")
        assert sent(ledger, 9) == []


@pytest.mark.parametrize("limit", [1, 3])
def test_what_went_back_to_the_queue_is_dispatched_in_its_old_place(ledger: Ledger, limit: int) -> None:
    ledger.submit([new_job("first")])
    wait(ledger, "second")
    fence = claimed(ledger, "first").fence
    ledger.release("first", fence)
    assert sent(ledger, limit)[0] == "first"


class TestAgain:
    def test_what_a_worker_had_goes_first(self, ledger: Ledger) -> None:
        ledger.submit([new_job("had")])
        held = claimed(ledger, "had")
        wait(ledger, "new")
        ledger.release("had", held.fence)
        assert {job.job_id: job.again for job in ledger.dispatch(KIND, 9)} == {"had": True, "new": False}

    def test_what_is_sent_once_more_goes_first(self, ledger: Ledger) -> None:
        ledger.submit([new_job("lost")])
        assert [job.again for job in ledger.dispatch_again(KIND, 9, older_than_s=-1)] == [True]
