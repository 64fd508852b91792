"""What a worker claims for its free threads: messages of older programs first, then whoever is next."""

from collections.abc import Iterator

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import ClaimOrder, Claims, Ledger
from brushwork_core.queries.worker_load import WorkerLoads
from brushwork_workers.dispatch.even_load import EvenLoad
from brushwork_workers.dispatch.job_claimer import JobClaimer
from brushwork_workers.execution.exclusive_gate import ExclusiveGate
from brushwork_workers.execution.metrics import JobMetrics
from brushwork_workers.execution.service_health import Service, ServiceHealth
from brushwork_workers.execution.service_patience import ServicePatience
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from tests.jobs import KIND, mark_sent, new_job

WORKER = "w/1"


class Claimer(JobClaimer):
    """With the parts around it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ledger = Ledger(database)
        self.gate = ExclusiveGate()
        self.health = ServiceHealth()
        self.registry = CollectorRegistry()
        super().__init__(
            self.ledger,
            ClaimOrder([KIND]),
            WORKER,
            patience=ServicePatience(self.health, 0.1),
            gate=self.gate,
            metrics=JobMetrics(self.registry),
            even_load=EvenLoad(
                WorkerLoads(database), WORKER, [KIND], num_others=lambda: 0, wake_others=lambda: None
            ),
        )

    def counted(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"brushwork_{name}", labels)

    def rename_jobs(self, name: str, new_name: str) -> None:
        with self.database.writing() as connection:
            connection.execute(text(f"ALTER TABLE {name} RENAME TO {new_name}"))


@pytest.fixture
def claimer(sqlite_url: str) -> Iterator[Claimer]:
    database = Database(sqlite_url)
    yield Claimer(database)
    database.close()


def ids(claims: Claims) -> list[str]:
    return [claim.job_id for claim in claims.jobs]


def test_those_that_are_next(claimer: Claimer) -> None:
    claimer.ledger.submit([new_job(name) for name in "abc"])
    first, second = claimer.claim(2), claimer.claim(2)
    assert (ids(first), first.more) == (["a", "b"], True)
    assert (ids(second), second.more) == (["c"], False)
    assert claimer.claim(2) == Claims()
    assert claimer.counted("job_queue_seconds_count", kind=KIND) == 3


class TestMessagesOfOlderPrograms:
    def test_they_wait_for_nobody_s_turn(self, claimer: Claimer) -> None:
        claimer.ledger.submit([new_job(name) for name in ("early", "sent", "late")])
        mark_sent(claimer.database, "sent")
        claimer.note_sent("sent")
        assert ids(claimer.claim(2)) == ["sent", "early"]

    def test_no_more_than_there_is_room_for(self, claimer: Claimer) -> None:
        claimer.ledger.submit([new_job(name) for name in ("waits", "a", "b", "c")])
        mark_sent(claimer.database, "a", "b", "c")
        for name in "abc":
            claimer.note_sent(name)
        claims = claimer.claim(2)
        assert (set(ids(claims)), claims.more) == ({"a", "b"}, True)
        claims = claimer.claim(1)
        assert (ids(claims), claims.more) == (["c"], False)

    def test_one_whose_job_runs_is_counted_as_superfluous(self, claimer: Claimer) -> None:
        claimer.ledger.submit([new_job("a"), new_job("b")])
        mark_sent(claimer.database, "a")
        claimer.note_sent("a")
        assert ids(claimer.claim(1)) == ["a"]
        claimer.note_sent("a")
        claimer.note_sent("nobody")
        assert ids(claimer.claim(3)) == ["b"]
        assert claimer.counted("messages_dropped_total") == 2

    def test_they_are_kept_while_the_database_is_away(self, claimer: Claimer) -> None:
        """They are on no other list: the job would wait until its message counts as lost."""
        claimer.ledger.submit([new_job(name) for name in "ab"])
        mark_sent(claimer.database, "a", "b")
        for name in "ab":
            claimer.note_sent(name)
        claimer.rename_jobs("jobs", "away")
        assert claimer.claim(4).jobs == ()
        assert claimer.health[Service.DATABASE].is_away
        claimer.rename_jobs("away", "jobs")
        assert set(ids(claimer.claim(4))) == {"a", "b"}
        assert claimer.counted("messages_dropped_total") == 0


def test_while_the_database_is_away_there_are_no_jobs(claimer: Claimer) -> None:
    claimer.ledger.submit([new_job("a")])
    claimer.rename_jobs("jobs", "away")
    assert claimer.claim(4) == Claims()
    claimer.rename_jobs("away", "jobs")
    assert ids(claimer.claim(4)) == ["a"]
    assert not claimer.health[Service.DATABASE].is_away


class TestGate:
    def test_all_of_a_claim_have_entered_before_one_runs(self, claimer: Claimer) -> None:
        claimer.ledger.submit([new_job(name) for name in "ab"])
        assert len(claimer.claim(4).jobs) == 2
        assert not claimer.gate.is_closed
        assert self.waits_for(claimer.gate) == 2

    def test_one_that_has_to_be_alone_closes_it(self, claimer: Claimer) -> None:
        claimer.ledger.submit([new_job(name) for name in "abc"])
        claimer.ledger.claim_next(ClaimOrder([KIND]), "dead/1", 2)
        assert set(claimer.ledger.reap(["dead/1"]).suspects) == {"a", "b"}
        claims = claimer.claim(2)
        assert {claim.job_id: claim.alone for claim in claims.jobs} == {"a": True, "b": True}
        assert claimer.gate.is_closed
        claimer.gate.leave(alone=True)
        assert claimer.gate.is_closed, "the other one waits for its turn"
        claimer.gate.leave(alone=True)
        assert not claimer.gate.is_closed

    def test_without_an_answer_nobody_enters(self, claimer: Claimer) -> None:
        claimer.ledger.submit([new_job("a")])
        claimer.rename_jobs("jobs", "away")
        claimer.claim(4)
        assert (claimer.gate.is_closed, self.waits_for(claimer.gate)) == (False, 0)

    @staticmethod
    def waits_for(gate: ExclusiveGate) -> int:
        """How many have to leave before one can be alone."""

        def stop() -> None:
            raise InterruptedError

        for number in range(9):
            try:
                with gate.exclusive(stop):
                    return number
            except InterruptedError:
                gate.leave(alone=False)
        raise AssertionError
