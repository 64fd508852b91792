"""What a training leaves for its next attempt: under the fence, one at a time, never a reason to fail."""

import math
from pathlib import Path

import pytest
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.sha256 import sha256_of
from brushwork_core.files.unused_files import UnusedFiles
from brushwork_core.ledger import Claim, Ledger
from brushwork_core.ledger.checkpoints import JobCheckpoints
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import JobStopped
from brushwork_schemas.kinds.image_classification_training import Epoch
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.job_context import AttemptContext

from tests.jobs import claimed, lose, new_job
from tests.stations import context_of

BYTES = "application/octet-stream"
CURVE = [Epoch(epoch=1, train_loss=1.0, train_accuracy=0.5, seconds=1.0).model_dump(mode="json")]


@pytest.fixture
def database(sqlite_url: str) -> Database:
    return Database(sqlite_url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def store(folder: Path) -> ArtifactStore:
    return ArtifactStore(str(folder))


@pytest.fixture
def claim(ledger: Ledger) -> Claim:
    ledger.submit([new_job("a", kind="image-classification-training")])
    return claimed(ledger, "a")


def desk_of(claim: Claim, store: ArtifactStore, database: Database) -> AttemptContext:
    return context_of(Attempt(claim), store, database)


def files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def test_the_next_attempt_finds_what_the_last_one_saved(
    claim: Claim, store: ArtifactStore, database: Database, ledger: Ledger, folder: Path
) -> None:
    context = desk_of(claim, store, database)
    assert context.checkpoint() is None
    context.save_checkpoint(b"one", CURVE)
    context.save_checkpoint(b"two", CURVE * 2)
    assert files(folder) == 1
    lose(database, "a")
    ledger.reap()
    found = desk_of(claimed(ledger, "a"), store, database).checkpoint()
    assert found is not None
    assert (found.summary, found.data) == (CURVE * 2, b"two")
    assert context.outputs == []


def test_who_has_lost_the_lease_is_told_and_changes_nothing(
    claim: Claim, store: ArtifactStore, database: Database, ledger: Ledger
) -> None:
    context = desk_of(claim, store, database)
    context.save_checkpoint(b"one", CURVE)
    lose(database, "a")
    ledger.reap()
    with pytest.raises(JobStopped):
        context.save_checkpoint(b"two", CURVE * 2)
    found = context.checkpoint()
    assert found is not None
    assert found.data == b"one"


def test_a_file_that_is_gone_means_to_begin_anew(
    claim: Claim, store: ArtifactStore, database: Database
) -> None:
    context = desk_of(claim, store, database)
    context.save_checkpoint(b"one", CURVE)
    training = JobCheckpoints(database).get("a")
    assert training is not None
    store.remove_if_old(training.checkpoint or "", -math.inf)
    assert context.checkpoint() is None


def test_a_store_that_takes_nothing_does_not_end_the_training(
    claim: Claim, store: ArtifactStore, database: Database, folder: Path
) -> None:
    context = desk_of(claim, store, database)
    context.save_checkpoint(b"one", CURVE)
    # A file where a folder is wanted: not even root can write below it.
    for number in range(256):
        place = folder / f"{number:02x}"
        if not place.exists():
            place.write_bytes(b"")
    context.save_checkpoint(b"a file of another folder", CURVE * 2)
    found = context.checkpoint()
    assert found is not None
    assert found.data == b"one"


def test_an_old_checkpoint_stays_while_its_bytes_are_recorded_again(
    claim: Claim, store: ArtifactStore, database: Database, ledger: Ledger
) -> None:
    """Its record goes in one transaction and its file later; others may use the bytes meanwhile."""
    context = desk_of(claim, store, database)
    context.save_checkpoint(b"one", CURVE)
    first = JobCheckpoints(database).get("a")
    assert first is not None
    store.put(b"two")
    unlinked = JobCheckpoints(database).note(
        "a", claim.fence, CURVE * 2, Artifact(sha256=sha256_of(b"two"), media_type=BYTES, size_bytes=3)
    )
    assert unlinked == (first.checkpoint,)
    ledger.submit([new_job("b", kind="image-classification-training")])
    desk_of(claimed(ledger, "b"), store, database).save_checkpoint(b"one", CURVE)
    UnusedFiles(database, store).remove(unlinked)
    assert store.get(str(first.checkpoint)) == b"one"


def test_an_old_checkpoint_that_nobody_uses_goes(store: ArtifactStore, database: Database) -> None:
    name = store.put(b"one")
    UnusedFiles(database, store).remove([name])
    assert not store.has(name)
