"""A plain Celery program uses brushwork: callbacks, chains, chords, results and Flower follow the job."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from brushwork import Client, JobFailed
from brushwork_core.database.database import Database
from brushwork_core.queue.task_ids import job_id_of
from brushwork_core.settings.settings import Settings
from brushwork_schemas.states import JobState
from celery import chain, chord, group, states
from celery.exceptions import TaskRevokedError

from tests.celery_program.flower_server import FlowerServer
from tests.celery_program.running import WAIT_S, RunningProgram
from tests.conftest import is_thorough
from tests.light_install import IndexUnreachable, install
from tests.paused_worker import pause_in_a_job
from tests.servers import PostgresServer, RedisServer, wait_until
from tests.tiny_catalogue import save_catalogue
from tests.worker_process import WorkerProcess

MODEL = "tiny-diffusion"
# Longer than any test looks at it.
LONG = {"num_inference_steps": 200, "num_images_per_prompt": 8}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """SQLite always; PostgreSQL, too, where what `make test` leaves out is wanted."""
    if "settings" in metafunc.fixturenames:
        databases = ["sqlite", "postgresql"] if is_thorough(metafunc.config) else ["sqlite"]
        metafunc.parametrize("settings", databases, indirect=True, scope="module")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("broker"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def settings(
    request: pytest.FixtureRequest, broker: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    folder = tmp_path_factory.mktemp(f"program-{request.param}")
    url = f"sqlite:///{folder}/ledger.sqlite3"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.execute("CREATE DATABASE program")
        url = server.url("program")
    with broker.connect() as connection:
        connection.flushall()
    database = Database(url)
    database.migrate()
    database.close()
    return Settings(
        redis_url=broker.url,
        database_url=url,
        artifacts_url=str(folder / "artifacts"),
        catalogue=save_catalogue(folder),
        models=MODEL,
        lease_s=3,
        heartbeat_s=0.5,
        sweep_s=0.5,
        redispatch_after_s=1,
        retry_s=0.05,
        grace_s=2,
    )


@pytest.fixture(scope="module")
def start(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    folder = tmp_path_factory.mktemp("workers")
    started: list[WorkerProcess] = []

    def begin(**changes: Any) -> WorkerProcess:
        chosen = settings.model_copy(update=changes)
        started.append(WorkerProcess(chosen, "text-to-image", folder / f"{len(started)}.log"))
        return started[-1].wait_ready()

    yield begin
    for worker in started:
        worker.kill()


@pytest.fixture(scope="module")
def worker(start: Callable[[], WorkerProcess]) -> WorkerProcess:
    return start()


@pytest.fixture(scope="session")
def python(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of the program. A thorough run installs Celery and brushwork without extras for it."""
    if not is_thorough(pytestconfig):
        return sys.executable
    try:
        installed = install(tmp_path_factory.mktemp("light") / "environment")
    except IndexUnreachable:
        pytest.skip("no package index can be reached")
    pip = [str(installed), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "psycopg[binary]>=3.2"], check=True)
    subprocess.run([*pip, "list"], check=True)
    return str(installed)


@pytest.fixture(scope="module")
def program(
    broker: RedisServer, settings: Settings, python: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningProgram]:
    with RunningProgram(broker, settings, tmp_path_factory.mktemp("program"), python=python) as running:
        yield running


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[Client]:
    with Client(settings=settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def flower(broker: RedisServer, worker: WorkerProcess) -> Iterator[FlowerServer]:
    with FlowerServer(broker.url) as running:
        yield running


def node_of(client: Client) -> str:
    """Celery's name of brushwork's only worker."""
    (node,) = {seen.name.partition("/")[0] for seen in client.workers()}
    return node


@pytest.mark.usefixtures("worker")
class TestProgram:
    def test_link_gets_the_result_and_a_failure_calls_link_error(self, program: RunningProgram) -> None:
        callbacks = {"link": program.task("done"), "link_error": program.task("failed")}
        good = program.picture().apply_async(**callbacks)
        bad = program.picture(kwargs={"prompt": ""}).apply_async(**callbacks)
        assert len(good.get(timeout=WAIT_S)["images"]) == 1
        assert good.state == states.SUCCESS
        with pytest.raises(JobFailed, match="prompt"):
            bad.get(timeout=WAIT_S)
        assert bad.state == states.FAILURE
        assert program.wait_called(good.id) == "done"
        assert program.wait_called(bad.id) == "failed"
        [argument] = [argument for name, _, argument, parent in program.calls() if parent == bad.id]
        assert argument == bad.id

    def test_a_chain_goes_on_after_the_job_or_fails_with_it(self, program: RunningProgram) -> None:
        good = chain(program.picture(), program.task("done")).apply_async()
        bad = chain(program.picture(kwargs={"prompt": ""}), program.task("done")).apply_async()
        assert good.get(timeout=WAIT_S) == 1
        with pytest.raises(JobFailed):
            bad.get(timeout=WAIT_S, follow_parents=False)
        assert bad.state == states.FAILURE

    def test_a_chain_may_lead_from_job_to_job(self, program: RunningProgram) -> None:
        last = chain(program.task("own", 1), program.picture(), program.picture(), program.task("done"))
        assert last.apply_async().get(timeout=WAIT_S) == 1

    def test_groups_and_chords_count_jobs_and_own_tasks(self, program: RunningProgram) -> None:
        pictures = group(program.picture(), program.picture()).apply_async()
        assert [len(result["images"]) for result in pictures.get(timeout=WAIT_S)] == [1, 1]
        mixed = chord([program.picture(), program.task("own", 3)])(program.task("gathered"))
        assert mixed.get(timeout=WAIT_S) == 2
        # The last step is a chord that our worker starts.
        fan = chain(
            program.picture(), group(program.task("done"), program.task("done")), program.task("gathered")
        )
        assert fan.apply_async().get(timeout=WAIT_S) == 2

    def test_a_chord_fails_with_its_job(self, program: RunningProgram) -> None:
        body = program.task("gathered").on_error(program.task("failed"))
        broken = chord([program.picture(), program.picture(kwargs={"prompt": ""})])(body)
        with pytest.raises(JobFailed):
            broken.get(timeout=WAIT_S)
        wait_until(
            lambda: [argument for name, _, argument, _ in program.calls() if argument == broken.id],
            bound_s=WAIT_S,
            what="the error callback of the chord",
        )

    def test_a_job_may_be_the_body_of_a_chord(self, program: RunningProgram) -> None:
        # Celery sends the counting to the queue of the body, which is ours.
        picture = chord([program.task("own", 1), program.task("own", 2)])(program.picture())
        assert len(picture.get(timeout=WAIT_S)["images"]) == 1

    def test_a_repeated_message_calls_back_once(self, program: RunningProgram, client: Client) -> None:
        options = {"task_id": "sent-twice", "link": program.task("done")}
        for _ in "12":
            program.picture().apply_async(**options)
        assert program.wait_called("sent-twice") == "done"
        # What comes later has been handled after the repeated message.
        program.picture().apply_async().get(timeout=WAIT_S)
        assert program.calls_about("sent-twice") == ["done"]
        assert client.get("sent-twice").attempt == 1

    def test_states_are_those_of_the_job(
        self, program: RunningProgram, client: Client, worker: WorkerProcess
    ) -> None:
        assert program.app.AsyncResult("nobody-sent-it").state == states.PENDING
        later = program.picture().apply_async(countdown=3600)
        long = pause_in_a_job(
            client,
            [worker.process.pid],
            lambda: _adopted(client, program.picture(kwargs=LONG).apply_async().id),
            lambda job: job.progress.step > 0,
        )
        assert program.app.AsyncResult(long.id).state == states.STARTED
        os.kill(worker.process.pid, signal.SIGCONT)
        assert later.state == states.PENDING
        assert (client.get(later.id).state, client.get(later.id).attempt) == (JobState.QUEUED, 0)
        later.revoke()
        program.app.control.revoke(long.id)
        wait_until(lambda: later.state == states.REVOKED, bound_s=WAIT_S, what="the revoked job's end")
        # Celery's word too: what runs goes on without `terminate`.
        assert not client.get(long.id).cancel_requested
        program.app.control.revoke(long.id, terminate=True)
        with pytest.raises(TaskRevokedError):
            program.app.AsyncResult(long.id).get(timeout=WAIT_S)

    def test_revoke_leaves_a_clients_job_alone(self, program: RunningProgram, client: Client) -> None:
        own = client.submit("text-to-image", prompt="x", num_inference_steps=1)
        program.app.control.revoke(own.id, terminate=True)
        assert client.wait(own.id, timeout_s=WAIT_S).state is JobState.SUCCEEDED

    @pytest.mark.parametrize(
        ("command", "arguments"),
        [
            ("rate_limit", {"task_name": "brushwork.text-to-image", "rate_limit": "1/h"}),
            ("cancel_consumer", {"queue": "text-to-image"}),
            ("add_consumer", {"queue": "own"}),
            ("pool_shrink", {"n": 99}),
            ("pool_grow", {"n": 99}),
            ("pool_restart", {}),
            ("autoscale", {"max": 1, "min": 0}),
            ("time_limit", {"task_name": "brushwork.text-to-image", "hard": 1, "soft": 1}),
            ("disable_events", {}),
            ("shutdown", {}),
            ("election", {"id": "x", "topic": "task", "action": None}),
            ("memdump", {"samples": 10}),
        ],
    )
    def test_commands_that_would_stall_a_worker_are_refused(
        self, program: RunningProgram, client: Client, command: str, arguments: dict[str, Any]
    ) -> None:
        # Not the program's own worker, which obeys.
        replies = program.app.control.broadcast(
            command, arguments, destination=[node_of(client)], reply=True, timeout=WAIT_S, limit=1
        )
        [(_, reply)] = [item for each in replies for item in each.items()]
        assert f"brushwork does not obey {command}" in reply["error"]

    def test_a_job_runs_after_all_of_them(self, program: RunningProgram, client: Client) -> None:
        own = client.submit("text-to-image", prompt="x", num_inference_steps=1)
        assert client.wait(own.id, timeout_s=WAIT_S).state is JobState.SUCCEEDED
        node = node_of(client)
        found = program.app.control.inspect(destination=[node], timeout=WAIT_S, limit=1).active_queues()
        assert "text-to-image" in str((found or {})[node])

    def test_a_task_may_be_revoked_before_its_message_arrives(
        self, program: RunningProgram, client: Client, worker: WorkerProcess
    ) -> None:
        program.app.control.revoke("early")
        wait_until(
            lambda: "early" in _revoked(program),
            bound_s=WAIT_S,
            what="the worker's hearing of the revocation",
        )
        program.picture().apply_async(task_id="early", link_error=program.task("failed"))
        assert program.wait_called("early") == "failed"
        assert client.get("early").state is JobState.CANCELED

    def test_an_expired_task_is_an_expired_job(self, program: RunningProgram, client: Client) -> None:
        past = datetime.now(UTC) - timedelta(hours=1)
        late = program.picture().apply_async(expires=past, link_error=program.task("failed"))
        assert program.wait_called(late.id) == "failed"
        assert client.get(late.id).state is JobState.EXPIRED
        assert late.state == states.REVOKED

    def test_a_task_id_that_no_address_holds(self, program: RunningProgram, client: Client) -> None:
        sent = program.picture().apply_async(task_id="a/b", link=program.task("done"))
        assert len(sent.get(timeout=WAIT_S)["images"]) == 1
        assert program.wait_called("a/b") == "done"
        assert client.get(job_id_of("a/b")).task_id == "a/b"

    def test_flower_counts_failures_as_failures(
        self, program: RunningProgram, client: Client, flower: FlowerServer
    ) -> None:
        before = set(flower.tasks())
        send = program.app.send_task
        options = {"queue": "text-to-image"}
        good = [program.picture().apply_async().id for _ in range(7)]
        good += [client.submit("text-to-image", prompt="x", num_inference_steps=1).id for _ in range(6)]
        name = "brushwork.text-to-image"
        bad = [
            send(name, kwargs={"prompt": ""}, **options).id,
            send(name, kwargs={"prompt": "x", "self": 1}, **options).id,
            send(name, **options).id,
            send(name, kwargs={"prompt": b"\xff"}, **options).id,
            send(name, kwargs={"prompt": "x", "model": "none"}, **options).id,
            send("brushwork.nonsense", kwargs={"prompt": "x"}, **options).id,
        ]
        program.push("cut-off", '[[], {"prompt')
        ids = {*good, *bad, "cut-off"}
        found: dict[str, str] = {}

        def all_ended() -> bool:
            tasks = flower.tasks()
            found.update({task_id: tasks[task_id]["state"] for task_id in tasks.keys() - before})
            return ids <= found.keys() and all(found[each] in states.READY_STATES for each in ids)

        wait_until(all_ended, bound_s=WAIT_S, what="Flower's hearing of 20 ends")
        assert sorted(found.values()) == [states.FAILURE] * 7 + [states.SUCCESS] * 13
        assert "prompt" not in flower.http.get("/api/tasks").text


class TestEndsWithoutTheWorker:
    """Jobs that are ended by others than the worker that ran them. Runs after the worker above is gone."""

    def test_three_kills_a_deadline_and_the_reaper_call_back_once_each(
        self,
        program: RunningProgram,
        client: Client,
        start: Callable[[], WorkerProcess],
        worker: WorkerProcess,
    ) -> None:
        worker.kill()
        callbacks = {"link": program.task("done"), "link_error": program.task("failed")}
        guilty = program.picture(kwargs=LONG).apply_async(**callbacks).id
        for attempt in (1, 2, 3):
            dying = start()
            wait_until(
                lambda number=attempt: (
                    client.get(guilty).attempt == number and client.get(guilty).progress.step > 0
                    if _exists(client, guilty)
                    else False
                ),
                bound_s=WAIT_S,
                what=f"attempt {attempt}",
            )
            if attempt < 3:
                assert program.app.AsyncResult(guilty).state == states.STARTED
            dying.kill()
        late = program.picture(kwargs=LONG).apply_async(expires=6, **callbacks).id
        frozen = start(max_attempts=1)
        assert program.wait_called(guilty) == "failed"
        assert client.get(guilty).error.code == "worker_lost"
        wait_until(lambda: _exists(client, late) and client.get(late).started_at, bound_s=WAIT_S)
        assert program.wait_called(late) == "failed"
        assert client.get(late).state is JobState.EXPIRED
        # A worker that is paused in the only attempt of a job: another worker ends the job.
        lost = pause_in_a_job(
            client,
            [frozen.process.pid],
            lambda: _adopted(client, program.picture(kwargs=LONG).apply_async(**callbacks).id),
            lambda job: job.progress.step > 0,
        )
        other = start()
        assert program.wait_called(lost.id) == "failed"
        ended = client.get(lost.id)
        assert (ended.state, ended.error.code) == (JobState.FAILED, "worker_lost")
        frozen.process.send_signal(signal.SIGCONT)
        last = program.picture().apply_async(**callbacks)
        assert program.wait_called(last.id) == "done"
        for task_id in (guilty, late, lost.id):
            assert program.calls_about(task_id) == ["failed"]
        assert other.process.poll() is None
        ids = [task_id for _, task_id, *_ in program.calls()]
        assert len(ids) == len(set(ids))


def _exists(client: Client, job_id: str) -> bool:
    return any(job.id == job_id for job in client.list(limit=200))


def _adopted(client: Client, job_id: str) -> str:
    wait_until(lambda: _exists(client, job_id), bound_s=WAIT_S, what="the job of a message")
    return job_id


def _revoked(program: RunningProgram) -> set[str]:
    replies = program.app.control.inspect(timeout=1).revoked() or {}
    return {task_id for ids in replies.values() for task_id in ids}
