"""scikit-learn's digits, learned and told apart through the queue; one worker is killed meanwhile."""

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Ledger, NewJob
from brushwork_schemas.errors import InvalidImage, UnknownModel
from brushwork_schemas.job import Job
from celery import Celery

from benchmarks.digit_scans import digit_scans
from tests.archives import folders, zipped
from tests.attacks.hostile import jpegs
from tests.live_gateways import Listening
from tests.paused_worker import pause_in_a_job
from tests.servers import RedisServer, wait_until
from tests.serving import Serving, serving
from tests.worker_process import WorkerProcess

TRAIN, CLASSIFY = "image-classification-training", "image-classification"
SCANS = digit_scans(seed=6)
# Thousands of scans: it took 14 s to decode, and ended a worker three times as stalled.
BOMB = jpegs.scans(4000, 3000)
NUM_EPOCHS = 10
ASKED = {
    "dataset": SCANS.archive,
    "image_size": 20,
    "num_train_epochs": NUM_EPOCHS,
    "per_device_train_batch_size": 16,
    "validation_split": 0.0,
    "seed": 6,
}
# Half a minute on a machine that does nothing else.
WAIT_S = 900.0
pytestmark = pytest.mark.timeout(WAIT_S)


@pytest.fixture(scope="module")
def served(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("training")
    catalogue = folder / "catalogue.toml"
    catalogue.write_text("")
    with serving(
        catalogue,
        redis_server,
        folder,
        kinds=f"{TRAIN},{CLASSIFY}",
        models="simple_cnn,pocket-classifier",
        sweep_s=0.2,
        heartbeat_s=0.2,
    ) as running:
        yield running
        # One of the tests has put another in its place.
        running.worker.kill()


@pytest.fixture(scope="module")
def training(served: Serving) -> Job:
    """Undisturbed."""
    job = served.client.submit(TRAIN, **ASKED)
    return served.client.wait(job.id, timeout_s=WAIT_S).raise_for_state()


def accuracy(served: Serving, job: Job) -> float:
    """Of the model that `job` has trained, on pictures it has never seen, through the queue."""
    requests = [
        {"kind": CLASSIFY, "model": job.result.model_name, "image": picture, "top_k": 1}
        for picture, _ in SCANS.tests
    ]
    told = [done.result.predictions[0].label for done in served.all(requests)]
    right: int = sum(label == digit for label, (_, digit) in zip(told, SCANS.tests, strict=True))
    return right / len(told)


def test_digits_are_learned_and_told_apart(served: Serving, training: Job) -> None:
    reached = accuracy(served, training)
    print(f"test accuracy {reached:.4f}, {len(SCANS.tests)} scans")
    assert reached >= 0.97
    result = training.result
    assert result.labels == tuple("0123456789")
    assert (result.num_train_images, result.num_validation_images) == (1797 - len(SCANS.tests), 0)
    assert training.curve == result.curve
    assert result.plot.pil().size == (960, 420)
    assert sum(map(sum, result.confusion_matrix)) == result.num_train_images
    assert (training.progress.step, training.progress.total) == (NUM_EPOCHS * 90, NUM_EPOCHS * 90)


def planted(served: Serving, data: bytes) -> str:
    """A job whose picture is already in the store, as if a check had let it through; its id."""
    good = served.client.get(served.one(CLASSIFY, image=SCANS.tests[0][0]).id)
    artifact = ArtifactStore(served.settings.artifacts_url).put_file(data, "image/jpeg")
    request = {**good.request.model_dump(mode="json"), "image": artifact.sha256}
    database = Database(served.settings.database_url.get_secret_value())
    job = NewJob("planted", CLASSIFY, good.request.model, "", request, inputs=(artifact,))
    Ledger(database).submit([job])
    database.close()
    return job.id


def test_bombs_are_their_callers_fault_and_the_worker_goes_on(served: Serving) -> None:
    """Through every way in. Each is refused at once, or fails after one attempt; jobs beside it succeed."""
    client, worker = served.client, served.worker
    others = client.submit_many([{"kind": CLASSIFY, "image": SCANS.tests[0][0]}] * 8)
    address = "data:image/jpeg;base64," + base64.b64encode(BOMB).decode()
    with pytest.raises(InvalidImage):
        client.submit(CLASSIFY, image=BOMB)
    with Listening(served.settings) as gateway:
        answer = httpx.post(
            f"{gateway.address}/v1/jobs", json={"kind": CLASSIFY, "image": address}, timeout=60
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_image")
    with Celery(broker=served.settings.redis_url.get_secret_value()) as stranger:
        name, message = f"brushwork.{CLASSIFY}", {"image": address}
        bare = stranger.send_task(name, kwargs=message, queue=CLASSIFY, ignore_result=True).id
    archive = client.submit(TRAIN, dataset=zipped({**folders("cat", "dog"), "cat/9.jpg": BOMB}))
    stored = planted(served, BOMB)
    wait_until(lambda: {job.id for job in client.list(limit=100)} >= {bare, stored}, what="the bare message")
    for job_id, code in ((bare, "invalid_image"), (stored, "invalid_image"), (archive.id, "invalid_dataset")):
        ended = client.wait(job_id, timeout_s=WAIT_S)
        assert ended.error is not None
        assert (ended.error.code, ended.error.fault) == (code, "caller")
        assert ended.attempt <= 1
    done = [client.wait(job.id, timeout_s=WAIT_S).raise_for_state() for job in others]
    assert {job.attempt for job in done} == {1}
    assert worker.process.poll() is None
    assert served.one(CLASSIFY, image=SCANS.tests[0][0]).attempt == 1


def test_after_kill_9_it_goes_on_from_the_last_epoch(served: Serving, training: Job, tmp_path: Path) -> None:
    before = pause_in_a_job(
        served.client,
        [served.worker.process.pid],
        lambda: served.client.submit(TRAIN, **ASKED).id,
        lambda job: len(job.curve) >= 3,
    )
    served.worker.kill()
    served.worker = WorkerProcess(served.settings, f"{TRAIN},{CLASSIFY}", tmp_path / "second.log")
    served.worker.wait_ready()
    done = served.client.wait(before.id, timeout_s=WAIT_S).raise_for_state()
    assert done.attempt == 2
    # Of the epochs that the first attempt has left, even the seconds are the same: none was learned again.
    assert done.result.curve[: len(before.curve)] == before.curve
    assert [epoch.epoch for epoch in done.result.curve] == list(range(1, NUM_EPOCHS + 1))
    assert "resumes after epoch" in served.worker.log.read_text()
    whole, resumed = accuracy(served, training), accuracy(served, done)
    print(f"test accuracy {whole:.4f}, after kill -9 {resumed:.4f}")
    assert abs(whole - resumed) <= 0.01


def test_trained_models_are_listed_and_are_their_tenants_own(served: Serving, training: Job) -> None:
    listed = [model.name for model in served.client.models(CLASSIFY)]
    assert listed[0] == "pocket-classifier"
    assert training.result.model_name in listed
    picture = SCANS.tests[0][0]
    with pytest.raises(UnknownModel, match="this tenant has no training job with that id"):
        served.client.submit(CLASSIFY, model=training.result.model_name, image=picture, tenant="another")


def test_an_archive_that_is_no_dataset_fails_with_its_reason(served: Serving) -> None:
    packed = zipped(folders("cat", "dog") | {"dog/odd.png": b"no picture"})
    job = served.client.submit(TRAIN, dataset=packed)
    failed = served.client.wait(job.id, timeout_s=WAIT_S)
    assert (failed.state, failed.attempt) == ("failed", 1)
    assert failed.error is not None
    assert (failed.error.code, failed.error.field) == ("invalid_dataset", "dataset")
    assert "'dog/odd.png': not a readable picture" in failed.error.message


def test_checkpoints_are_gone_when_trainings_have_ended(served: Serving, training: Job) -> None:
    folder = Path(served.settings.artifacts_url)
    kept = {training.result.weights.sha256, training.result.config.sha256}

    def left() -> list[str]:
        files = [path for path in folder.rglob("*") if path.is_file() and path.name not in kept]
        # Of the undisturbed one: a worker killed between store and ledger leaves a file to `brushwork prune`.
        return [path.name for path in files if training.id.encode() in path.read_bytes()[:100_000]]

    wait_until(lambda: not left(), bound_s=30, what="the sweep")
