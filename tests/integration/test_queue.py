"""From a producer through Redis to a worker and into the ledger: a real Redis, a real worker process."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork import Client, JobFailed, Preview
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS, PREVIEWS
from brushwork_core.ledger import Ledger, NewJob
from brushwork_core.queue.broker import ORIGIN, celery_app
from brushwork_core.settings.settings import Settings
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.options import JobOptions
from brushwork_schemas.states import JobState
from celery import Celery
from diffusers import StableDiffusionPipeline
from PIL import Image
from sqlalchemy import select

from tests.fork_server.command import LINGERED
from tests.jobs import count, hurry, mark_sent
from tests.paused_worker import pause_in_a_job
from tests.servers import RedisServer, wait_until
from tests.tiny_catalogue import NAMES, save_catalogue
from tests.worker_process import WorkerProcess

ALL_KINDS = "text-to-image,image-to-text,image-classification,image-segmentation"
PICTURE = Image.effect_noise((40, 40), 90).convert("RGB")
WAIT_S = 60.0


def _message(**changes: Any) -> bytes:
    """An entry of a queue as Celery's clients write it, with `changes`."""
    delivery = {"exchange": "", "routing_key": "text-to-image"}
    message = {
        "body": '[[], {"prompt": "x"}, {}]',
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": "brushwork.text-to-image", "id": "malformed"},
        "properties": {"delivery_info": delivery, "delivery_tag": "1"},
    }
    return json.dumps(message | changes).encode()


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_catalogue(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def settings(
    redis_server: RedisServer, catalogue: Path, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    folder = tmp_path_factory.mktemp("queue")
    with redis_server.connect() as connection:
        connection.flushall()
    addresses = Settings(
        redis_url=redis_server.url,
        database_url=f"sqlite:///{folder}/ledger.sqlite3",
        artifacts_url=str(folder / "artifacts"),
        catalogue=catalogue,
        models=NAMES,
        lease_s=3,
        heartbeat_s=0.5,
        sweep_s=0.5,
        redispatch_after_s=1,
        grace_s=2,
    )
    database = Database(addresses.database_url.get_secret_value())
    database.migrate()
    database.close()
    return addresses


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[Client]:
    with Client(settings=settings) as opened:
        yield opened


@pytest.fixture(scope="class")
def worker(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    log = tmp_path_factory.mktemp("log") / "worker.log"
    started = WorkerProcess(settings, ALL_KINDS, log)
    yield started.wait_ready()
    assert started.stop() == 0, started.log.read_text()
    # Its process has ended at once, with all that it had to say said and its place on the roster left.
    assert LINGERED not in started.log.read_text()
    assert "Warm shutdown" in started.log.read_text()
    with Client(settings=settings) as client:
        assert not any(f"/{started.process.pid}-" in seen.name for seen in client.workers())


@pytest.mark.usefixtures("worker")
class TestKinds:
    def test_text_to_image_equals_the_stock_pipeline(self, client: Client, catalogue: Path) -> None:
        job = client.submit("text-to-image", prompt="a red circle", seed=11, negative_prompt="star")
        made = client.wait(job.id, timeout_s=WAIT_S).raise_for_state().result.images[0].pil()
        stock = StableDiffusionPipeline.from_pretrained(catalogue.parent / "diffusion")
        stock.set_progress_bar_config(disable=True)
        expected = stock(
            "a red circle",
            negative_prompt="star",
            width=32,
            height=32,
            num_inference_steps=4,
            guidance_scale=2.0,
            generator=torch.Generator().manual_seed(11),
        ).images[0]
        difference = np.abs(np.asarray(made, dtype=float) - np.asarray(expected, dtype=float))
        assert difference.max() / 255 <= 1e-3

    def test_the_log_says_which_models_are_ready(self, worker: WorkerProcess) -> None:
        log = worker.log.read_text()
        assert all(f"INFO] Model {name} is ready" in log for name in NAMES.split(","))

    def test_the_same_seed_is_the_same_file(self, client: Client) -> None:
        jobs = client.submit_many(
            [{"kind": "text-to-image", "prompt": "a star", "seed": seed} for seed in (3, 3, 4)]
        )
        one, same, other = [
            client.wait(job.id, timeout_s=WAIT_S).raise_for_state().result.images[0].bytes() for job in jobs
        ]
        assert one == same
        assert one != other

    def test_the_other_kinds(self, client: Client) -> None:
        kinds = ("image-to-text", "image-classification", "image-segmentation")
        jobs = [client.submit(kind, image=PICTURE) for kind in kinds]
        caption, classes, mask = [
            client.wait(job.id, timeout_s=WAIT_S).raise_for_state().result for job in jobs
        ]
        assert isinstance(caption.generated_text, str)
        assert sum(found.score for found in classes.predictions) == pytest.approx(1)
        assert mask.mask.pil().size == (40, 40)
        assert sum(mask.areas.values()) == pytest.approx(1)

    def test_a_picture_made_is_the_next_jobs_input(self, client: Client) -> None:
        first = client.submit("text-to-image", prompt="a ring")
        picture = client.wait(first.id, timeout_s=WAIT_S).raise_for_state().result.images[0]
        second = client.submit("image-classification", image=picture, top_k=1)
        assert client.wait(second.id, timeout_s=WAIT_S).raise_for_state().request.image == picture.sha256

    def test_a_running_job_is_canceled(self, client: Client) -> None:
        job = client.submit("text-to-image", prompt="x", num_inference_steps=200, num_images_per_prompt=2)
        wait_until(lambda: client.get(job.id).progress.step > 0, bound_s=WAIT_S)
        client.cancel(job.id)
        ended = client.wait(job.id, timeout_s=WAIT_S)
        assert ended.state is JobState.CANCELED
        # It takes a few steps to hear of it; half of them would be seconds.
        assert 0 < ended.progress.step < ended.progress.total / 2
        with pytest.raises(JobFailed, match="canceled"):
            ended.raise_for_state()

    def test_who_waits_sees_previews(self, client: Client, settings: Settings) -> None:
        seen: list[Preview] = []
        job = client.submit("text-to-image", prompt="x", num_inference_steps=120, num_images_per_prompt=4)
        ended = client.wait(job.id, timeout_s=WAIT_S, on_preview=seen.append)
        assert ended.state is JobState.SUCCEEDED
        assert seen, "a job of many steps shows itself before it ends"
        assert {preview.pil().size for preview in seen} == {(64, 64)}
        assert all(0 < preview.step <= preview.total == 120 for preview in seen)
        assert client.preview(job.id) is None
        wait_until(lambda: _num_previews(settings) == 0, bound_s=WAIT_S, what="the sweep")

    def test_a_bare_message_is_adopted(self, client: Client, settings: Settings) -> None:
        with Celery(broker=settings.redis_url.get_secret_value()) as stranger:
            sent = stranger.send_task(
                "brushwork.text-to-image",
                kwargs={"prompt": "a cross"},
                queue="text-to-image",
                ignore_result=True,
            )
            bad = stranger.send_task(
                "brushwork.text-to-image", kwargs={"prompt": 1}, queue="text-to-image", ignore_result=True
            )
        wait_until(lambda: _exists(settings, sent.id) and _exists(settings, bad.id), bound_s=WAIT_S)
        assert client.wait(sent.id, timeout_s=WAIT_S).raise_for_state().result.images
        error = client.wait(bad.id, timeout_s=WAIT_S).error
        assert error is not None
        assert error.field == "prompt"

    def test_celery_shows_the_jobs_that_run(self, client: Client, settings: Settings) -> None:
        job = client.submit("text-to-image", prompt="a secret", num_inference_steps=200)
        wait_until(lambda: client.get(job.id).progress.step > 0, bound_s=WAIT_S)
        with celery_app(settings) as app:
            inspection = app.control.inspect(timeout=10, limit=1)
            [active] = inspection.active().values()
        client.cancel(job.id)
        [shown] = [task for task in active if task["id"] == job.id]
        assert (shown["name"], shown["args"]) == ("brushwork.text-to-image", job.label)
        assert "secret" not in json.dumps(active)
        assert client.wait(job.id, timeout_s=WAIT_S).state is JobState.CANCELED
        with celery_app(settings) as app:
            inspection = app.control.inspect(timeout=10, limit=1)
            wait_until(lambda: job.id not in json.dumps(inspection.active()), bound_s=WAIT_S)

    def test_a_message_of_an_older_client_is_for_its_job(self, client: Client, settings: Settings) -> None:
        """Such a client marks the job as dispatched, and its message does not ask for whatever is next."""
        job_id = _submit_as_before(settings, with_message=True)
        assert client.wait(job_id, timeout_s=WAIT_S).state is JobState.SUCCEEDED

    def test_a_lost_message_of_an_older_client_is_forgotten(self, client: Client, settings: Settings) -> None:
        job_id = _submit_as_before(settings, with_message=False)
        assert client.wait(job_id, timeout_s=WAIT_S).state is JobState.SUCCEEDED

    def test_messages_that_redis_forgot_are_not_missed(
        self, client: Client, redis_server: RedisServer
    ) -> None:
        jobs = client.submit_many([{"kind": "text-to-image", "prompt": "x", "num_inference_steps": 10}] * 20)
        with redis_server.connect() as connection:
            connection.flushall()
        states = {client.wait(job.id, timeout_s=WAIT_S).state for job in jobs}
        assert states == {JobState.SUCCEEDED}

    @pytest.mark.parametrize(
        "entry",
        [
            b"no JSON",
            b"[]",
            _message(headers={"task": "brushwork.text-to-image"}),
            _message(headers={"task": ["brushwork.text-to-image"], "id": "a"}),
            _message(headers={"task": "brushwork.nonsense", "id": "a"}),
            _message(headers={"task": "brushwork.text-to-image", "id": ["a"]}),
            _message(body="null"),
            _message(body="[[], []]"),
            _message(body="[" * 100_000),
            _message(**{"content-type": "application/x-python-serialize"}),
        ],
        ids=lambda entry: entry.decode()[:80],
    )
    def test_a_worker_outlives_what_is_no_message(
        self, entry: bytes, client: Client, redis_server: RedisServer, worker: WorkerProcess
    ) -> None:
        with redis_server.connect() as connection:
            connection.lpush("text-to-image", entry)
        job = client.submit("text-to-image", prompt="x", num_inference_steps=1)
        assert client.wait(job.id, timeout_s=WAIT_S).state is JobState.SUCCEEDED
        assert worker.process.poll() is None

    def test_the_message_holds_nothing_private(self, client: Client, redis_server: RedisServer) -> None:
        seen: list[str] = []
        with redis_server.connect() as connection, connection.monitor() as monitor:
            job = client.submit("text-to-image", prompt="my secret wish")
            for command in monitor.listen():
                if "LPUSH" in command["command"] and job.id in command["command"]:
                    seen.append(command["command"])
                    break
        assert "secret" not in seen[0]
        message = json.loads(seen[0].split(" ", 2)[2])
        assert message["headers"]["argsrepr"] == "tiny-diffusion 32x32 4 steps"
        client.wait(job.id, timeout_s=WAIT_S)


class TestDeath:
    """Each with workers of its own, which it kills."""

    @pytest.fixture
    def start(self, settings: Settings, tmp_path: Path) -> Iterator[Callable[[], WorkerProcess]]:
        started: list[WorkerProcess] = []

        def begin() -> WorkerProcess:
            started.append(WorkerProcess(settings, "text-to-image", tmp_path / "worker.log"))
            return started[-1]

        yield begin
        for process in started:
            process.kill()

    def test_a_killed_workers_job_runs_again_once(
        self, client: Client, start: Callable[[], WorkerProcess], settings: Settings
    ) -> None:
        first, second = start(), start()
        first.wait_ready()
        second.wait_ready()
        job = pause_in_a_job(
            client,
            [first.process.pid, second.process.pid],
            lambda: client.submit("text-to-image", prompt="x", num_inference_steps=200).id,
            lambda job: job.progress.step > 0,
        )
        holder = job.worker or ""
        killed, other = (first, second) if f"/{first.process.pid}-" in holder else (second, first)
        killed.kill()
        os.kill(other.process.pid, signal.SIGCONT)
        ended = client.wait(job.id, timeout_s=WAIT_S)
        assert ended.state is JobState.SUCCEEDED
        assert ended.attempt == 2
        assert ended.worker != holder
        assert _fence(settings, job.id) == 3  # claim, reap, claim

    def test_sigterm_gives_a_long_job_back(self, client: Client, start: Callable[[], WorkerProcess]) -> None:
        worker = start().wait_ready()
        job = pause_in_a_job(
            client,
            [worker.process.pid],
            lambda: (
                client.submit(
                    "text-to-image", prompt="x", num_inference_steps=200, num_images_per_prompt=8
                ).id
            ),
            lambda job: job.progress.step > 0,
        )
        os.kill(worker.process.pid, signal.SIGCONT)
        assert worker.stop(timeout_s=20) == 0
        released = client.get(job.id)
        assert (released.state, released.attempt) == (JobState.QUEUED, 0)
        client.cancel(job.id)


def _submit_as_before(settings: Settings, *, with_message: bool) -> str:
    """A job as a program of version 0.1 submits it."""
    database = Database(settings.database_url.get_secret_value())
    parameters = {"prompt": "x", "num_inference_steps": 1}
    admitted = admit("text-to-image", parameters, Catalogue.load(settings.catalogue))
    job_id = f"older-{with_message}"
    # Paused at first, so that the worker does not find it before it is marked.
    paused = replace(NewJob.of(job_id, admitted, JobOptions()), not_before_ms=9_000_000_000_000)
    Ledger(database).submit([paused])
    mark_sent(database, job_id)
    hurry(database, job_id)
    database.close()
    if with_message:
        with celery_app(settings) as app:
            app.send_task("brushwork.text-to-image", task_id=job_id, queue="text-to-image", origin=ORIGIN)
    return job_id


def _num_previews(settings: Settings) -> int:
    database = Database(settings.database_url.get_secret_value())
    found = count(database, PREVIEWS)
    database.close()
    return found


def _exists(settings: Settings, job_id: str) -> bool:
    return _column(settings, job_id, "id") == job_id


def _fence(settings: Settings, job_id: str) -> object:
    return _column(settings, job_id, "fence")


def _column(settings: Settings, job_id: str, name: str) -> object:
    database = Database(settings.database_url.get_secret_value())
    with database.reading() as connection:
        found = connection.execute(select(JOBS.c[name]).where(JOBS.c.id == job_id)).scalar()
    database.close()
    return found
