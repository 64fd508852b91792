"""A rolling upgrade: workers and clients of the version before and of this one share queue and database."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.job_deletion import JobDeletion
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import CeleryMessage
from brushwork_core.ledger.held_results import HeldResults
from brushwork_core.ledger.outbox import Outbox
from brushwork_core.ledger.task_ends import TaskEnds
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from brushwork_schemas.job import Job
from PIL import Image, ImageDraw

from tests.clients import png
from tests.fresh_environment import Environment
from tests.held_results import held_result
from tests.servers import RedisServer, wait_until
from tests.upgrade.services import GatewayService
from tests.upgrade.versions import PAIRS, environments, expect_here
from tests.worker_process import environment

START_S = 180.0
KINDS = "text-to-image,image-to-text,image-classification,image-segmentation"
SUBMIT = """
import sys
from brushwork import Client
picture, number = sys.argv[1], int(sys.argv[2])
reading = ("image-to-text", "image-classification", "image-segmentation")
with Client() as client:
    for index in range(number):
        painted = client.submit("text-to-image", prompt="a red circle", num_inference_steps=4)
        print(painted.id)
        for kind in reading:
            print(client.submit(kind, image=picture).id)
"""
READ = """
import json, sys
from brushwork import Client
with Client() as client:
    print(json.dumps([[job.state.value, type(job.result).__name__] for job in map(client.get, sys.argv[1:])]))
"""


class Worker:
    """A worker of one version, in a process of its own."""

    def __init__(self, version: Environment, name: str, settings: Settings, log: Path) -> None:
        self.name, self._log = name, log
        command = (version.python, "-m", "brushwork", "worker", "--kinds", KINDS, "--name", name)
        plain = {key: value for key, value in os.environ.items() if not key.startswith("BRUSHWORK_")}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=version.folder,
                env={**plain, **environment(settings)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait_ready(self, database: Database) -> "Worker":
        def is_ready() -> bool:
            assert self.process.poll() is None, self._log.read_text()[-4000:]
            return any(
                seen.ready and seen.pid == self.process.pid for seen in WorkerRegistry(database).workers()
            )

        wait_until(is_ready, bound_s=START_S, what=f"the start of {self.name}")
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(60)


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Environment, Environment]:
    """Environments of the version before and of this one."""
    before = PAIRS["additions"].revision
    expect_here(before)
    return environments(tmp_path_factory.mktemp("versions"), before)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    drawn = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(drawn).ellipse((16, 16, 48, 48), fill="red")
    drawn.save(tmp_path / "circle.png")
    return tmp_path / "circle.png"


@pytest.fixture
def settings(redis_server: RedisServer, redis_url: str, database_url: str, tmp_path: Path) -> Settings:
    artifacts = str(tmp_path / "artifacts")
    return Settings(redis_url=redis_url, database_url=database_url, artifacts_url=artifacts)  # type: ignore[arg-type]


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings.database_url.get_secret_value())
    yield opened
    opened.close()


def submitted(version: Environment, settings: Settings, picture: Path, number: int) -> list[str]:
    said = version.run("-c", SUBMIT, str(picture), str(number), **environment(settings))
    return said.split()


def ended(database: Database, ids: list[str]) -> list[Job]:
    index = JobIndex(database)
    wait_until(
        lambda: all(job.is_finished for job in index.get_many(ids)), bound_s=240, what="the end of all jobs"
    )
    jobs = list(index.get_many(ids))
    assert [(job.state, job.error) for job in jobs] == [("succeeded", None)] * len(ids)
    return jobs


@pytest.mark.one_database("both versions have passed all tests of the ledger on both")
@pytest.mark.timeout(900)
def test_jobs_of_both_versions_are_done_by_workers_of_both_and_of_either_alone(
    versions: tuple[Environment, Environment],
    settings: Settings,
    database: Database,
    picture: Path,
    tmp_path: Path,
) -> None:
    before, after = versions
    held = hold_results(settings)
    old = Worker(before, "old@here", settings, tmp_path / "old.log")
    new = Worker(after, "new@here", settings, tmp_path / "new.log")
    try:
        old.wait_ready(database)
        new.wait_ready(database)
        both = submitted(before, settings, picture, 6) + submitted(after, settings, picture, 6)
        names = {str(job.worker).partition("/")[0] for job in ended(database, both)}
        assert names == {"old@here", "new@here"}
        # Forwards: the old worker goes while old clients still submit.
        forwards = submitted(before, settings, picture, 4)
        old.stop()
        forwards += submitted(before, settings, picture, 2) + submitted(after, settings, picture, 2)
        ended(database, forwards)
        # Back: the new worker goes while new clients still submit.
        back = submitted(after, settings, picture, 4)
        new.stop()
        old = Worker(before, "old-again@here", settings, tmp_path / "old-again.log").wait_ready(database)
        back += submitted(after, settings, picture, 2)
        done = ended(database, back)
        assert {str(job.worker).partition("/")[0] for job in done} >= {"old-again@here"}
    finally:
        old.stop(signal.SIGKILL)
        new.stop(signal.SIGKILL)
    # Each version reads the results of all jobs, in its own types.
    ids = both + forwards + back
    read = [json.loads(version.run("-c", READ, *ids, **environment(settings))) for version in versions]
    assert read[0] == read[1]
    assert {state for state, _ in read[0]} == {"succeeded"}
    check_held_results(before, settings, database, held, tmp_path)


def hold_results(settings: Settings) -> dict[str, str]:
    """Two jobs whose results are held. Returns the names of their files."""
    link, hook = CeleryMessage("released", {"link": []}), "https://receiver.example/hook"
    released = held_result(settings, "released", colour="red", celery=link, webhook_url=hook)
    return {"released": released.sha256, "deleted": held_result(settings, "deleted", colour="blue").sha256}


def check_held_results(
    before: Environment, settings: Settings, database: Database, names: dict[str, str], folder: Path
) -> None:
    """Held results have waited while workers of both versions swept. An older gateway tells of none."""
    held_results = HeldResults(database)
    assert {each.job.id for each in held_results.list()} == set(names)
    assert TaskEnds(database).take(10) == []
    assert Outbox(database).list() == []
    gateway = GatewayService(0, settings, folder).start(before)
    try:
        with httpx.Client(base_url=gateway.address, timeout=60) as http:
            job = http.get("/v1/jobs/released").json()
            assert (job["state"], job["result"], job["error"]) == ("succeeded", None, None)
            for path in ("/jobs/released", "/gallery", "/v1/jobs", "/v1/jobs/deleted/events"):
                answer = http.get(path)
                assert answer.status_code == 200
                assert not [name for name in names.values() if name in answer.text]
            # What a new program releases, the older one serves; what it deletes is gone for it, too.
            held_results.release("released")
            served = http.get("/v1/jobs/released").json()["result"]["images"][0]["sha256"]
            assert http.get(f"/v1/files/{served}").content == png("red")
            store = ArtifactStore(settings.artifacts_url)
            JobDeletion(database, store).delete("deleted")
            assert http.get("/v1/jobs/deleted").status_code == 404
            assert held_results.list() == []
            assert not store.has(names["deleted"])
    finally:
        gateway.stop(signal.SIGKILL)
