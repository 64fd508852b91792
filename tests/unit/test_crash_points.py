"""Each operation of the ledger, broken off before each of its statements: nothing is done by halves."""

from collections.abc import Callable
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS
from brushwork_core.database.tables import JOBS
from brushwork_core.ledger import ClaimOrder, Completion, Ledger
from brushwork_schemas.job import Progress
from brushwork_schemas.states import JobState
from sqlalchemy import select

from tests.crashes import Crash, CrashingLedger
from tests.jobs import (
    ERROR,
    KIND,
    begun,
    claimed,
    column,
    lose,
    mark_sent,
    new_job,
    overdue,
    picture,
    result_of,
)

MOST_STATEMENTS = 40
Operation = Callable[[Any, dict[str, int]], object]
OPERATIONS: dict[str, Operation] = {
    "submit": lambda ledger, fences: ledger.submit(
        [
            new_job("new", inputs="12", idempotency_key="key", request_sha256="1"),
            new_job("other", idempotency_key="taken", request_sha256="1"),
        ]
    ),
    "refuse": lambda ledger, fences: ledger.refuse(new_job("new", webhook_url="https://a.example"), ERROR),
    "cancel a queued job": lambda ledger, fences: ledger.cancel("queued"),
    "cancel a running job": lambda ledger, fences: ledger.cancel("a"),
    "claim": lambda ledger, fences: ledger.claim("queued", "w"),
    "claim a job whose start is told": lambda ledger, fences: ledger.claim("heralded", "w"),
    "complete a job whose end is not told": lambda ledger, fences: ledger.complete(
        "quiet", fences["quiet"], result_of(1)
    ),
    "claim in vain": lambda ledger, fences: ledger.claim("late", "w"),
    "perform": lambda ledger, fences: ledger.perform("suspect", fences["suspect"]),
    "renew": lambda ledger, fences: ledger.renew("w"),
    "complete": lambda ledger, fences: ledger.complete("a", fences["a"], result_of(1), [picture("3")]),
    "fail": lambda ledger, fences: ledger.fail("a", fences["a"], ERROR),
    "stop": lambda ledger, fences: ledger.stop("a", fences["a"]),
    "expire": lambda ledger, fences: ledger.expire("a", fences["a"]),
    "retry": lambda ledger, fences: ledger.retry("a", fences["a"], ERROR, after_s=60, alone=True),
    "retry a withdrawn job": lambda ledger, fences: ledger.retry("gone", fences["gone"], ERROR, after_s=60),
    "release": lambda ledger, fences: ledger.release("a", fences["a"]),
    "reap": lambda ledger, fences: ledger.reap(["w", "guilty", "second"]),
    "expire the queued": lambda ledger, fences: ledger.expire_queued(),
    "claim those that are next": lambda ledger, fences: ledger.claim_next(ClaimOrder([KIND]), "w", 9),
    "claim those that were sent": lambda ledger, fences: ledger.claim_sent(["sent", "late"], "w"),
    "forget messages": lambda ledger, fences: ledger.forget_messages(-60),
    "complete several": lambda ledger, fences: ledger.complete_many(
        [
            Completion("a", fences["a"], result_of(1), (picture("3"),), Progress(step=1, total=4)),
            Completion("quiet", fences["quiet"], result_of(2)),
            Completion("gone", fences["gone"] - 1, result_of(3)),
        ]
    ),
}


@pytest.fixture
def fences(ledger: Ledger, database: Database) -> dict[str, int]:
    """Jobs in every situation: a reap finds each of its cases among them."""
    hook = "https://receiver.example"
    names = ("suspect", "cleared", "guilty", "last", "queued", "late", "a", "b", "gone")
    ledger.submit(
        [
            *(new_job(name, deadline_s=3600, webhook_url=hook, tenant=name[0]) for name in names),
            new_job("keyed", idempotency_key="taken", request_sha256="1"),
            new_job("heralded", webhook_url=hook, webhook_events=("started", "failed")),
            new_job("quiet", webhook_url=hook, webhook_events=("failed", "expired")),
            new_job("sent"),
        ]
    )
    for name in ("suspect", "cleared", "guilty"):
        begun(ledger, name, "first")
    ledger.reap(["first"])
    for _ in range(2):
        begun(ledger, "last", "lone")
        ledger.reap(["lone"])
    fences = {name: begun(ledger, name, "w") for name in ("a", "b", "gone")}
    fences["quiet"] = begun(ledger, "quiet", "another")
    fences["suspect"] = claimed(ledger, "suspect", "gate").fence
    begun(ledger, "guilty", "guilty")
    begun(ledger, "last", "second")
    ledger.cancel("gone")
    lose(database, "a")
    overdue(database, "b", "late")
    mark_sent(database, "late", "sent")
    return fences


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_is_done_as_a_whole_or_not_at_all(
    ledger: Ledger, database: Database, fences: dict[str, int], operation: Operation
) -> None:
    crashing = CrashingLedger(ledger, database, repeats=False)
    before = crashing.contents()
    for number in range(MOST_STATEMENTS):
        crashing.arm(number)
        try:
            operation(crashing, fences)
        except Crash:
            continue
        break
    assert crashing.num_crashes == number >= 2, "one statement and the commit"
    assert crashing.contents() != before
    assert ended(database) == told(database)


def ended(database: Database) -> set[str]:
    """The ends of the jobs that have somebody to tell, and the starts of those whose start is to be told."""
    columns = select(JOBS.c.id, JOBS.c.state, JOBS.c.webhook_events).where(JOBS.c.webhook_url.is_not(None))
    with database.reading() as connection:
        rows = connection.execute(columns).all()
    happened = [(row, row.state) for row in rows if JobState(row.state).is_terminal]
    happened += [(row, "started") for row in rows if row.state == "running" and row.webhook_events]
    return {f"{row.id}:{name}" for row, name in happened if name in (row.webhook_events or name)}


def told(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(connection.execute(select(WEBHOOK_EVENTS.c.id)).scalars())


def test_a_reap_meets_each_of_its_cases(ledger: Ledger, database: Database, fences: dict[str, int]) -> None:
    """Those that the crash points above lie in."""
    reaped = ledger.reap(["w", "guilty", "second"])
    assert (reaped.failed, reaped.canceled, reaped.expired) == (("last",), ("gone",), ("b",))
    assert (set(reaped.queued), reaped.suspects) == ({"a", "guilty"}, ("a",))
    assert column(database, "cleared", "suspicion") is None
