"""How many jobs are open: queued with and without a message, running, of a kind or a tenant."""

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.queries.open_jobs import OpenJobs
from brushwork_schemas.states import JobState

from tests.jobs import claimed, new_job


@pytest.fixture
def open_jobs(database: Database, ledger: Ledger) -> OpenJobs:
    """Of tenant a one job runs, one has a message, three wait in the ledger, one has ended; b has one."""
    ledger.submit([new_job("running", tenant="a"), new_job("ended", tenant="a")])
    claimed(ledger, "running")
    assert ledger.cancel("ended") is JobState.CANCELED
    ledger.submit([new_job("sent", tenant="a")])
    ledger.submit([new_job(f"waits-{index}", tenant="a") for index in range(3)])
    ledger.submit([new_job("other", tenant="b", kind="image-to-text")])
    return OpenJobs(database)


def test_queued_jobs_of_a_kind(open_jobs: OpenJobs) -> None:
    assert open_jobs.queued("text-to-image", at_most=100) == 4
    assert open_jobs.queued("image-to-text", at_most=100) == 1
    assert open_jobs.queued("image-segmentation", at_most=100) == 0


def test_open_jobs_of_a_tenant(open_jobs: OpenJobs) -> None:
    assert open_jobs.open("a", at_most=100) == 5
    assert open_jobs.open("b", at_most=100) == 1
    assert open_jobs.open("", at_most=100) == 0


def test_nobody_counts_further_than_is_asked(open_jobs: OpenJobs) -> None:
    assert open_jobs.queued("text-to-image", at_most=2) == 2
    assert open_jobs.open("a", at_most=3) == 3
