"""How far trainings are: guarded by the fence, found by the next attempt, swept away at the end."""

from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.tables import ARTIFACTS, JOB_ARTIFACTS, TRAININGS
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.retention import Retention
from brushwork_core.ledger import Ledger, WriteOutcome
from brushwork_core.ledger.checkpoints import JobCheckpoints
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.kinds.image_classification_training import Epoch

from tests.jobs import ERROR, begun, claimed, count, lose, new_job, picture

KIND = "image-classification-training"


def epochs(number: int) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(epoch=index + 1, train_loss=1 / (index + 1), train_accuracy=0.5, seconds=1.0)
        for index in range(number)
    )


def summary(number: int) -> list[dict[str, Any]]:
    return [epoch.model_dump(mode="json") for epoch in epochs(number)]


@pytest.fixture
def checkpoints(database: Database) -> JobCheckpoints:
    return JobCheckpoints(database)


@pytest.fixture
def fence(ledger: Ledger) -> int:
    """Of the running training `a`."""
    ledger.submit([new_job("a", kind=KIND)])
    return begun(ledger, "a")


def test_nothing_is_known_before_the_first_epoch(checkpoints: JobCheckpoints, fence: int) -> None:
    assert checkpoints.get("a") is None
    assert checkpoints.get("nobody") is None


def test_a_running_job_shows_its_curve(checkpoints: JobCheckpoints, fence: int, index: JobIndex) -> None:
    assert index.get("a").curve == ()
    checkpoints.note("a", fence, summary(2), picture("1"))
    assert index.get("a").curve == epochs(2)
    assert index.list()[0].curve == ()


@pytest.mark.parametrize("summary", [{"step": 3}, [1, 2], [{"loss": 0.5}], None, "half"])
def test_a_summary_that_is_no_list_of_epochs_has_no_curve(
    checkpoints: JobCheckpoints, fence: int, index: JobIndex, summary: object
) -> None:
    assert checkpoints.note("a", fence, summary, picture("1")) == ()
    found = checkpoints.get("a")
    assert found is not None
    assert found.summary == summary
    assert index.get("a").curve == ()


def test_a_note_takes_the_place_of_the_one_before(
    checkpoints: JobCheckpoints, fence: int, database: Database
) -> None:
    assert checkpoints.note("a", fence, summary(1), picture("1")) == ()
    assert checkpoints.note("a", fence, summary(2), picture("2")) == (picture("1").sha256,)
    found = checkpoints.get("a")
    assert found is not None
    assert (found.summary, found.checkpoint) == (summary(2), picture("2").sha256)
    assert [count(database, table) for table in (TRAININGS, JOB_ARTIFACTS, ARTIFACTS)] == [1, 1, 1]


def test_a_summary_is_any_json_value(checkpoints: JobCheckpoints, fence: int) -> None:
    checkpoints.note("a", fence, {"steps": 3, "loss": [0.5, None]}, picture("1"))
    found = checkpoints.get("a")
    assert found is not None
    assert found.summary == {"steps": 3, "loss": [0.5, None]}


def test_the_same_note_again_changes_nothing(
    checkpoints: JobCheckpoints, fence: int, database: Database
) -> None:
    for _ in range(2):
        assert checkpoints.note("a", fence, summary(1), picture("1")) == ()
    assert count(database, JOB_ARTIFACTS) == 1


def test_a_checkpoint_that_others_refer_to_is_kept(
    checkpoints: JobCheckpoints, fence: int, ledger: Ledger, database: Database
) -> None:
    ledger.submit([new_job("b", inputs=["1"])])
    checkpoints.note("a", fence, summary(1), picture("1"))
    assert checkpoints.note("a", fence, summary(2), picture("2")) == ()
    assert count(database, ARTIFACTS) == 2


def test_who_has_lost_the_lease_writes_nothing(
    checkpoints: JobCheckpoints, fence: int, ledger: Ledger, database: Database
) -> None:
    checkpoints.note("a", fence, summary(1), picture("1"))
    lose(database, "a")
    ledger.reap()
    assert checkpoints.note("a", fence, summary(2), picture("2")) is WriteOutcome.LEASE_LOST
    second = begun(ledger, "a", "other")
    assert checkpoints.note("a", fence, summary(2), picture("2")) is WriteOutcome.LEASE_LOST
    found = checkpoints.get("a")
    assert found is not None
    assert (found.summary, found.checkpoint) == (summary(1), picture("1").sha256)
    assert checkpoints.note("a", second, summary(2), picture("3")) == (picture("1").sha256,)


def test_the_checkpoint_of_a_job_that_waits_for_another_attempt_is_kept(
    checkpoints: JobCheckpoints, fence: int, ledger: Ledger
) -> None:
    checkpoints.note("a", fence, summary(1), picture("1"))
    ledger.retry("a", fence, ERROR, after_s=0.0)
    assert checkpoints.sweep() == ()
    again = claimed(ledger, "a").fence
    assert checkpoints.sweep() == ()
    assert again > fence


@pytest.mark.parametrize("way", ["complete", "fail", "stop", "cancel"])
def test_however_a_job_ends_its_checkpoint_goes_and_its_curve_stays(
    way: str, checkpoints: JobCheckpoints, fence: int, ledger: Ledger, database: Database
) -> None:
    checkpoints.note("a", fence, summary(1), picture("1"))
    if way == "complete":
        assert ledger.complete("a", fence, {}, [picture("8")]) is WriteOutcome.APPLIED
    elif way == "fail":
        assert ledger.fail("a", fence, ERROR) is WriteOutcome.APPLIED
    elif way == "stop":
        assert ledger.stop("a", fence) is WriteOutcome.APPLIED
    else:
        ledger.release("a", fence)
        ledger.cancel("a")
    assert checkpoints.sweep() == (picture("1").sha256,)
    assert checkpoints.sweep() == ()
    found = checkpoints.get("a")
    assert found is not None
    assert (found.summary, found.checkpoint) == (summary(1), None)
    assert count(database, ARTIFACTS) == (way == "complete")


def test_a_job_that_is_removed_takes_its_training_along(
    checkpoints: JobCheckpoints, fence: int, ledger: Ledger, database: Database
) -> None:
    checkpoints.note("a", fence, summary(1), picture("1"))
    ledger.fail("a", fence, ERROR)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE jobs SET finished_at = 1")
    assert Retention(database, ArtifactStore("memory:///")).prune(60).num_jobs == 1
    assert [count(database, table) for table in (TRAININGS, JOB_ARTIFACTS)] == [0, 0]
