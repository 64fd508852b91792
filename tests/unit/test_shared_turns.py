"""The turns of tenants are those of all workers together, also of workers that claim at the same moment."""

from collections import Counter

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import ClaimOrder, Claims, Ledger
from brushwork_core.ledger.claim_order import ClaimedFor, TenantJobs

from benchmarks.scale_simulation import waits_s
from tests.jobs import KIND, new_job

TENANTS = [f"t{number:02}" for number in range(12)]


def fill(ledger: Ledger, each: int = 3) -> None:
    """Write waiting jobs of each tenant, labelled with its name."""
    ledger.submit(
        [
            new_job(f"{tenant}-{number}", tenant=tenant)
            for number in range(each)
            for tenant in TENANTS
        ]
    )  # fmt: skip


def tenants(claims: Claims) -> list[str]:
    return [claim.job_id.partition("-")[0] for claim in claims.jobs]


def test_a_worker_that_comes_later_goes_on_where_the_others_are(ledger: Ledger) -> None:
    fill(ledger)
    first, second = ClaimOrder([KIND]), ClaimOrder([KIND])
    assert tenants(ledger.claim_next(first, "a", 4)) == TENANTS[:4]
    assert tenants(ledger.claim_next(second, "b", 4)) == TENANTS[4:8]


def test_ten_workers_serve_each_tenant_before_any_a_second_time(ledger: Ledger) -> None:
    fill(ledger)
    served: list[str] = []
    for number in range(6):
        served += tenants(ledger.claim_next(ClaimOrder([KIND]), f"w{number}", 2))
    assert Counter(served) == Counter(TENANTS)


def test_an_end_does_not_turn_the_order_back(ledger: Ledger) -> None:
    fill(ledger)
    order = ClaimOrder([KIND])
    claims = ledger.claim_next(order, "a", 4).jobs
    for claim in claims[2:]:
        ledger.complete(claim.job_id, claim.fence, {})
    order._running.clear()
    assert tenants(ledger.claim_next(order, "a", 2)) == TENANTS[4:6]


def test_who_claims_at_the_same_moment_serves_other_tenants(postgres_url: str) -> None:
    """The other claim is not committed yet: its jobs are locked, not seen as running, and not waited for."""
    database, other = Database(postgres_url), Database(postgres_url)
    ledger = Ledger(database)
    fill(ledger)
    with other.writing() as connection:
        connection.exec_driver_sql(
            "SELECT id FROM jobs WHERE id IN ('t00-0', 't01-0', 't03-0') FOR UPDATE"
        ).all()
        served = tenants(ledger.claim_next(ClaimOrder([KIND]), "b", 4))
    assert served == ["t02", "t04", "t05", "t06"]
    database.close()
    other.close()


def test_jobs_of_few_tenants_are_claimed_to_the_last(ledger: Ledger) -> None:
    fill(ledger, each=1)
    assert sorted(tenants(ledger.claim_next(ClaimOrder([KIND]), "a", 99))) == TENANTS
    assert ledger.claim_next(ClaimOrder([KIND]), "a", 99).jobs == ()


class TestOrder:
    def test_the_newest_running_job_of_any_worker_sets_the_turn(self) -> None:
        order = ClaimOrder([KIND])
        order.note([ClaimedFor(KIND, "own", 100)])
        order.running(KIND, lambda: [TenantJobs("older", 1, 99), TenantJobs("own", 2, 100)])
        assert order.last_tenant(KIND) == "own"
        order._running.clear()
        counts = order.running(KIND, lambda: [TenantJobs("newer", 3, 101)])
        assert (order.last_tenant(KIND), counts) == ("newer", {"newer": 3})

    @pytest.mark.parametrize(
        ("last", "found", "has_turns"),
        [
            (None, [], False), (None, ["a"], False), (None, ["a", "b"], True), ("a", ["a"], False),
            ("a", ["b"], True), ("a", [], True), ("b", ["a", "b"], True),
        ],
    )  # fmt: skip
    def test_one_tenant_has_no_turns(self, last: str | None, found: list[str], has_turns: bool) -> None:
        order = ClaimOrder([KIND])
        if last is not None:
            order.note([ClaimedFor(KIND, last, 1)])
        order.note_tenants(KIND, found)
        assert order.has_turns(KIND) is has_turns


def test_the_longest_wait_of_each_tenant() -> None:
    claims = [(1.0, "tenant-0000"), (2.0, "tenant-0001"), (8.0, "tenant-0000")]
    assert waits_s(claims, num_tenants=3, seconds=10.0) == [7.0, 8.0, 10.0]
