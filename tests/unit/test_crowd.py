"""How many jobs are open: queued with and without a message, running, of a kind or a tenant."""

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.queries.open_jobs import Crowd
from brushwork_schemas.states import JobState

from tests.jobs import claimed, new_job


@pytest.fixture
def crowd(database: Database, ledger: Ledger) -> Crowd:
    """Of tenant a one job runs, one has a message, three wait in the ledger, one has ended; b has one."""
    ledger.submit([new_job("running", tenant="a"), new_job("ended", tenant="a")])
    claimed(ledger, "running")
    assert ledger.cancel("ended") is JobState.CANCELED
    ledger.submit([new_job("sent", tenant="a")])
    ledger.submit([new_job(f"waits-{index}", tenant="a") for index in range(3)], sent=())
    ledger.submit([new_job("other", tenant="b", kind="image-to-text")], sent=())
    return Crowd(database)


def test_queued_jobs_of_a_kind(crowd: Crowd) -> None:
    assert crowd.queued("text-to-image", at_most=100) == 4
    assert crowd.queued("image-to-text", at_most=100) == 1
    assert crowd.queued("image-segmentation", at_most=100) == 0


def test_open_jobs_of_a_tenant(crowd: Crowd) -> None:
    assert crowd.open("a", at_most=100) == 5
    assert crowd.open("b", at_most=100) == 1
    assert crowd.open("", at_most=100) == 0


def test_nobody_counts_further_than_is_asked(crowd: Crowd) -> None:
    assert crowd.queued("text-to-image", at_most=2) == 2
    assert crowd.open("a", at_most=3) == 3
