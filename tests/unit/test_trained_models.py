"""Models that jobs have trained: who may ask for them, how they are listed, where their files come from."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.retention import Retention
from brushwork_core.files.trained_models import TrainedModels
from brushwork_core.ledger import Ledger, WriteOutcome
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import Model, Source, trained_model
from brushwork_schemas.errors import (
    BrushworkError,
    HashMismatch,
    ModelFileMissing,
    ModelNotHere,
    ModelUnavailable,
    UnknownModel,
)
from brushwork_workers.models.trained_files import MAX_FOLDERS, TrainedFiles

from tests.jobs import ERROR, begun, new_job

TRAINS, SERVES = "image-classification-training", "image-classification"

OTHER = Model(name="x", family="torchvision-classifier", source=Source(folder=Path("elsewhere")))


@pytest.fixture
def models(database: Database) -> TrainedModels:
    return TrainedModels(database)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def model(job_id: str) -> Model:
    return trained_model(f"trained:{job_id}", SERVES)


def train(
    ledger: Ledger, job_id: str, store: ArtifactStore | None = None, tenant: str = ""
) -> list[Artifact]:
    """A finished training, and its files."""
    ledger.submit([new_job(job_id, kind=TRAINS, tenant=tenant)])
    made = [
        (store or ArtifactStore("memory:///")).put_file(f"{job_id}{part}".encode(), "x/y") for part in "ab"
    ]
    result = {"config": made[0].model_dump(), "weights": made[1].model_dump()}
    assert ledger.complete(job_id, begun(ledger, job_id), result, made) is WriteOutcome.APPLIED
    return made


@pytest.fixture
def files(models: TrainedModels, store: ArtifactStore, tmp_path: Path) -> TrainedFiles:
    return TrainedFiles(models, store, tmp_path / "trained", lambda entry: Path("others") / entry.name)


def test_a_tenant_may_ask_for_what_its_own_jobs_have_trained(ledger: Ledger, models: TrainedModels) -> None:
    train(ledger, "a", tenant="acme")
    models.expect(model("a"), "acme")
    models.expect(OTHER, "anybody")
    for stranger in ("", "rival"):
        with pytest.raises(UnknownModel, match="this tenant has no training job with that id") as raised:
            models.expect(model("a"), stranger)
        assert raised.value.field == "model"


def test_only_a_training_that_has_succeeded_is_a_model(ledger: Ledger, models: TrainedModels) -> None:
    ledger.submit([new_job("queued", kind=TRAINS), new_job("failed", kind=TRAINS), new_job("painting")])
    ledger.fail("failed", begun(ledger, "failed"), ERROR)
    for job_id, words in {
        "queued": "the training job is queued",
        "failed": "the training job is failed",
        "painting": "no training job with that id",
        "nobody": "no training job with that id",
    }.items():
        with pytest.raises(UnknownModel, match=words):
            models.expect(model(job_id), "")


def test_the_newest_come_first_and_serve_one_kind(ledger: Ledger, models: TrainedModels) -> None:
    for job_id in ("a", "b"):
        train(ledger, job_id)
    train(ledger, "c", tenant="acme")
    ledger.submit([new_job("d", kind=TRAINS)])
    assert [each.name for each in models.newest("")] == ["trained:b", "trained:a"]
    assert [each.name for each in models.newest("acme", None)] == ["trained:c"]
    assert models.newest("", "text-to-image") == []


def test_its_files_are_put_into_a_folder_once(
    ledger: Ledger, files: TrainedFiles, store: ArtifactStore, tmp_path: Path
) -> None:
    train(ledger, "a", store)
    folder = files.find(model("a"))
    assert (folder / "config.json").read_bytes() == b"aa"
    assert (folder / "model.safetensors").read_bytes() == b"ab"
    before = (folder / "config.json").stat().st_ino
    assert files.find(model("a")) == folder
    assert (folder / "config.json").stat().st_ino == before
    assert [path.name for path in (tmp_path / "trained").iterdir()] == [folder.name]
    assert files.find(OTHER) == Path("others/x")


def test_a_damaged_copy_is_fetched_again(ledger: Ledger, files: TrainedFiles, store: ArtifactStore) -> None:
    train(ledger, "a", store)
    folder = files.find(model("a"))
    (folder / "model.safetensors").write_bytes(b"bad")
    assert (files.find(model("a")) / "model.safetensors").read_bytes() == b"ab"
    (folder / "config.json").unlink()
    assert (files.find(model("a")) / "config.json").read_bytes() == b"aa"


def lose(store: ArtifactStore, file: Path, folder: Path) -> None:
    file.unlink()


def change(store: ArtifactStore, file: Path, folder: Path) -> None:
    file.write_bytes(b"other")


def block(store: ArtifactStore, file: Path, folder: Path) -> None:
    folder.write_bytes(b"no folder")


@pytest.mark.parametrize(
    ("harm", "expected"), [(lose, ModelFileMissing), (change, HashMismatch), (block, ModelUnavailable)]
)
def test_what_is_wrong_with_the_files_is_said(
    harm: Callable[[ArtifactStore, Path, Path], None],
    expected: type[BrushworkError],
    ledger: Ledger,
    files: TrainedFiles,
    store: ArtifactStore,
    tmp_path: Path,
) -> None:
    _, weights = train(ledger, "a", store)
    place = tmp_path / "artifacts" / weights.sha256[:2] / weights.sha256
    assert hashlib.sha256(place.read_bytes()).hexdigest() == weights.sha256
    harm(store, place, tmp_path / "trained")
    with pytest.raises(expected, match="trained:a") as raised:
        files.find(model("a"))
    assert raised.value.hint


def test_of_many_folders_the_oldest_go(
    ledger: Ledger, files: TrainedFiles, store: ArtifactStore, tmp_path: Path
) -> None:
    names = [f"job-{number:03d}" for number in range(MAX_FOLDERS + 3)]
    for name in names:
        train(ledger, name, store)
        files.find(model(name))
    assert len(list((tmp_path / "trained").iterdir())) == MAX_FOLDERS


def test_a_training_that_is_kept_keeps_its_files_and_one_that_is_removed_is_gone(
    ledger: Ledger, database: Database, files: TrainedFiles, store: ArtifactStore, models: TrainedModels
) -> None:
    made = train(ledger, "a", store)
    retention = Retention(database, store)
    retention.prune(3600)
    assert all(store.has(artifact.sha256) for artifact in made)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE jobs SET finished_at = 1")
    retention.prune(3600)
    with pytest.raises(UnknownModel):
        models.expect(model("a"), "")
    with pytest.raises(ModelNotHere, match="the job that trained it was removed"):
        files.find(model("a"))


def test_workers_that_fetch_the_same_model_at_once_do_not_disturb_each_other(
    ledger: Ledger, models: TrainedModels, store: ArtifactStore, tmp_path: Path
) -> None:
    train(ledger, "a", store)
    for number in range(10):
        workers = [
            TrainedFiles(models, store, tmp_path / str(number), lambda entry: Path()) for _ in range(16)
        ]
        with ThreadPoolExecutor(len(workers)) as threads:
            folders = list(threads.map(lambda worker: worker.find(model("a")), workers))
        assert len(set(folders)) == 1
        assert len(list(folders[0].iterdir())) == 2
