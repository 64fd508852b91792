"""The heartbeat of a worker: what it does with attempts that the ledger has and no thread runs."""

from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.states import JobState
from brushwork_workers.execution.running_attempts import RunningAttempts
from brushwork_workers.supervision.heartbeat import Heartbeat

from tests.jobs import claimed, new_job


def test_an_attempt_that_no_thread_runs_goes_back_at_the_second_beat(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    ledger, index = Ledger(database, lease_s=600), JobIndex(database)
    heartbeat = Heartbeat(ledger, "w", RunningAttempts())
    ledger.submit([new_job("a")])
    claimed(ledger, "a", "w")
    heartbeat.beat()
    assert index.get("a").state is JobState.RUNNING, "it may just have been claimed"
    heartbeat.beat()
    assert (index.get("a").state, index.get("a").attempt) == (JobState.QUEUED, 0)
    database.close()
