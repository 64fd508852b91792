"""Readiness counts models: a worker without a model of a kind is not ready for it, and a submit says so."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from brushwork import Client
from brushwork.doctor.finding import Level
from brushwork.doctor.worker_check import check_workers
from brushwork.gateway.application import create_app
from brushwork.page.pages import PAGE
from brushwork_core.database.database import Database
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.settings.settings import Settings
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.worker import WorkerEntry
from starlette.testclient import TestClient

from tests.commands import Answer, run_command
from tests.servers import free_port

KIND, MODEL, ABSENT = "text-to-image", "pocket-diffusion", "sdxl"
Announce = Callable[..., None]


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("BRUSHWORK_ARTIFACTS_URL", str(tmp_path / "artifacts"))
    monkeypatch.setenv("BRUSHWORK_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    return Settings.load()


@pytest.fixture
def announce(settings: Settings) -> Iterator[Announce]:
    """Registers a worker of all kinds with these models."""
    database = Database(settings.database_url.get_secret_value())

    def announce(*models: str, name: str = "w@here/1", ready: bool = True) -> None:
        entry = WorkerEntry(name, tuple(all_kinds()), models, "cpu", ready=ready)
        WorkerRegistry(database).announce(entry)

    yield announce
    database.close()


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    with Client(settings=settings) as client:
        yield client


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings, PAGE), base_url="http://127.0.0.1") as http:
        yield http


def codes(client: Client, model: str) -> list[str]:
    job = client.submit(KIND, prompt="a star", model=model)
    # The warning is about the submit: the job itself is stored as ever.
    assert client.get(job.id).warnings == ()
    return [warning.code for warning in job.warnings]


def test_no_worker_at_all(client: Client) -> None:
    assert codes(client, MODEL) == ["model_on_no_worker"]


@pytest.mark.parametrize(
    ("models", "ready", "model", "warns"),
    [
        ((MODEL,), True, MODEL, False),
        ((MODEL,), True, ABSENT, True),
        ((), True, MODEL, True),
        (("another",), True, MODEL, True),
        ((MODEL,), False, MODEL, True),
        ((MODEL, ABSENT), True, ABSENT, False),
    ],
)
def test_a_submit_warns_if_no_ready_worker_has_the_model(
    client: Client, announce: Announce, models: tuple[str, ...], ready: bool, model: str, warns: bool
) -> None:
    announce(*models, ready=ready)
    assert codes(client, model) == ["model_on_no_worker"] * warns


def test_two_workers_are_taken_together(client: Client, announce: Announce) -> None:
    announce(MODEL)
    announce(ABSENT, name="w@there/2")
    assert codes(client, ABSENT) == codes(client, MODEL) == []
    queue = next(queue for queue in client.queues() if queue.kind == KIND)
    assert (queue.workers, queue.workers_without_model) == (2, 0)
    assert not {MODEL, ABSENT} & set(queue.models_on_no_worker)


def test_a_batch_and_a_repeated_key_warn_too(client: Client, announce: Announce) -> None:
    announce(MODEL)
    request = {"kind": KIND, "prompt": "a star", "model": ABSENT, "seed": 1, "idempotency_key": "k"}
    for _ in range(2):
        jobs = client.submit_many([request, {"kind": KIND, "prompt": "a star"}])
        assert [len(job.warnings) for job in jobs] == [1, 0]


def test_queues_count_workers_with_a_model(client: Client, announce: Announce) -> None:
    announce(MODEL)
    queues = {queue.kind: queue for queue in client.queues()}
    drawing, enlarging = queues[KIND], queues["image-upscaling"]
    assert (drawing.workers, drawing.workers_without_model) == (1, 0)
    assert (enlarging.workers, enlarging.workers_without_model) == (0, 1)
    assert ABSENT in drawing.models_on_no_worker
    assert MODEL not in drawing.models_on_no_worker


def test_http_says_it_in_answers_queues_and_readiness(http: TestClient, announce: Announce) -> None:
    announce(MODEL)
    job = http.post("/v1/jobs", json={"kind": KIND, "prompt": "a star", "model": ABSENT})
    assert job.status_code == 201
    [warning] = job.json()["warnings"]
    assert (warning["code"], warning["parameters"]) == ("model_on_no_worker", {"model": ABSENT})
    assert http.post("/v1/jobs", json={"kind": KIND, "prompt": "a star"}).json()["warnings"] == []
    queues = {queue["kind"]: queue for queue in http.get("/v1/queues").json()["queues"]}
    assert (queues["image-upscaling"]["workers"], queues["image-upscaling"]["workers_without_model"]) == (
        0,
        1,
    )
    ready = http.get("/readyz").json()
    assert (ready["status"], ready["workers"][KIND], ready["workers"]["image-upscaling"]) == ("ok", 1, 0)


@pytest.mark.parametrize(
    ("workers", "words", "unsaid"),
    [
        ((), "waits for a worker of its kind, and fails if that worker does not have the model", "To start"),
        (((MODEL,),), f"none has the model {ABSENT}", "waits"),
    ],
)
def test_the_page_promises_nothing(
    http: TestClient, announce: Announce, workers: tuple[tuple[str, ...], ...], words: str, unsaid: str
) -> None:
    for models in workers:
        announce(*models)
    sent = {"kind": KIND, "prompt": "a star", "model": ABSENT}
    page = http.post("/jobs", data=sent, headers={"Accept-Language": "en"})
    assert page.status_code == 200
    outlook = page.text.partition('id="outlook"')[2].partition("</div>")[0]
    assert words in outlook
    assert unsaid not in outlook
    assert ABSENT in http.get("/workers").text


def test_the_command_line_warns_and_lists(
    capsys: pytest.CaptureFixture[str], settings: Settings, announce: Announce
) -> None:
    announce(MODEL)

    def run(*arguments: str) -> Answer:
        return run_command(capsys, *arguments)

    absent = run("submit", KIND, "a star", f"model={ABSENT}")
    assert absent.status == 0
    assert f"No ready worker has the model {ABSENT}" in absent.err
    assert run("submit", KIND, "a star").err == ""
    given = run("submit", KIND, "a star", f"model={ABSENT}", "--json")
    assert json.loads(given.out)["warnings"][0]["code"] == "model_on_no_worker"
    assert "none has its model" in run("show", absent.out.strip()).out
    listed = run("queues").out
    line = next((line for line in listed.splitlines() if line.startswith("image-upscaling")), listed)
    assert "0 (and 1 without a model)" in line


def test_doctor_counts_models(settings: Settings, announce: Announce) -> None:
    announce(MODEL)
    found = {finding.message.split(":")[0]: finding for finding in check_workers(settings)}
    assert found[KIND].level is Level.OK
    assert f"{KIND}: 1 ready. Models on no worker: " in found[KIND].message
    assert ABSENT in found[KIND].message
    assert found["image-upscaling"].level is Level.WARN
    assert "1 ready, but without a model of this kind" in found["image-upscaling"].message
    assert "models pull" in str(found["image-upscaling"].hint)
