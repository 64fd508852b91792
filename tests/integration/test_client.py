"""The client's conformance suite: `Client` and `AsyncClient`, on real Redis and on both databases."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from brushwork import (
    AsyncClient,
    Client,
    IdempotencyConflict,
    InvalidImage,
    InvalidRequest,
    Job,
    JobFailed,
    JobNotFound,
    JobState,
    Preview,
    Progress,
    RequestError,
    ServiceUnreachable,
    Settings,
    UnknownKind,
    UnknownModel,
    WaitTimeout,
)
from brushwork_schemas.database import Database
from brushwork_schemas.job import JobError
from brushwork_schemas.ledger import Ledger
from brushwork_schemas.tables import JOBS
from brushwork_schemas.wire import Report, Wire
from sqlalchemy import func, select

from tests.clients import KIND, finished, num_rows, png, stored_files
from tests.jobs import said
from tests.servers import RedisServer, wait_until

# kombu's list of the messages of ordinary priority.
QUEUE = f"{KIND}\x06\x166"


class TestSubmit:
    def test_a_job_is_there_at_once_and_complete(self, client: Any) -> None:
        job = client.submit(KIND, prompt="a red circle", seed=7)
        assert (job.state, job.kind, job.model) == (JobState.QUEUED, KIND, "pocket-diffusion")
        assert (job.request.prompt, job.request.seed, job.request.width) == ("a red circle", 7, 64)
        assert client.get(job.id) == job
        assert job.label == "pocket-diffusion 64x64 12 steps"

    def test_its_message_is_in_the_queue_of_its_kind(self, client: Any, redis_server: RedisServer) -> None:
        client.submit(KIND, prompt="x")
        with redis_server.connect() as connection:
            assert connection.llen(QUEUE) == 1

    def test_the_urgent_are_in_the_queue_that_is_taken_first(
        self, client: Any, redis_server: RedisServer
    ) -> None:
        client.submit(KIND, prompt="x", priority="urgent")
        with redis_server.connect() as connection:
            assert connection.llen(KIND) == 1

    def test_options_are_kept(self, client: Any) -> None:
        options = {"priority": "high", "tenant": "t", "deadline_s": 60.0, "idempotency_key": "key"}
        job = client.submit(KIND, prompt="x", **options)
        assert (job.priority, job.tenant, job.idempotency_key) == ("high", "t", "key")
        assert (job.deadline_at - job.created_at).total_seconds() == pytest.approx(60, abs=1)
        assert client.submit(KIND, prompt="x", **options).id == job.id
        with pytest.raises(IdempotencyConflict):
            client.submit(KIND, prompt="y", **options)

    def test_a_wrong_option_is_named(self, client: Any, database: Database) -> None:
        with pytest.raises(InvalidRequest) as raised:
            client.submit(KIND, prompt="x", priority="highest")
        assert raised.value.field == "priority"
        assert num_rows(database) == (0, 0)

    def test_many_are_one_transaction_in_order(self, client: Any) -> None:
        jobs = client.submit_many({"kind": KIND, "prompt": str(number)} for number in range(50))
        assert [job.request.prompt for job in jobs] == [str(number) for number in range(50)]
        assert len({job.id for job in jobs}) == 50

    def test_none_is_no_work(self, client: Any, database: Database) -> None:
        assert client.submit_many([]) == []
        assert num_rows(database) == (0, 0)

    def test_max_attempts_come_from_the_settings(self, make: Any, settings: Settings) -> None:
        with make(settings=settings.model_copy(update={"max_attempts": 9})) as client:
            assert client.submit(KIND, prompt="x").max_attempts == 9

    @pytest.mark.parametrize(
        ("kind", "parameters", "error", "field"),
        [
            ("nonsense", {}, UnknownKind, "kind"),
            (None, {}, UnknownKind, "kind"),
            (KIND, {}, InvalidRequest, "prompt"),
            (KIND, {"prompt": "x", "width": 65}, InvalidRequest, "width"),
            (KIND, {"prompt": "x", "kind": "y", "id": "z"}, InvalidRequest, "id"),
            (KIND, {"prompt": "x", "model": "nobody"}, UnknownModel, "model"),
            (KIND, {"prompt": "x", "image": b"x"}, InvalidRequest, "image"),
            ("image-to-text", {}, InvalidRequest, "image"),
            ("image-to-text", {"image": b"nonsense"}, InvalidImage, "image"),
            ("image-to-text", {"image": 5}, InvalidImage, "image"),
            ("image-to-text", {"image": png(), "language": "de"}, InvalidRequest, "language"),
            ("image-to-text", {"image": "http://127.0.0.1/x"}, RequestError, "image"),
        ],
    )
    def test_what_is_wrong_is_refused_and_nothing_written(
        self, client: Any, database: Database, redis_server: RedisServer,
        kind: Any, parameters: dict[str, Any], error: type[RequestError], field: str,
    ) -> None:  # fmt: skip
        with pytest.raises(error) as raised:
            client.submit(kind, **parameters)
        assert raised.value.field == field
        assert num_rows(database) == (0, 0)
        assert stored_files(client) == []
        with redis_server.connect() as connection:
            assert connection.keys("*") == []

    @pytest.mark.parametrize(
        "wrong",
        [
            {"kind": KIND},
            {"kind": "image-to-text", "image": b"nonsense"},
            {"kind": "image-to-text", "image": "/no/such/file"},
            {"prompt": "x"},
            5,
            None,
        ],
    )
    def test_one_wrong_request_of_many_is_named_and_nothing_written(
        self, client: Any, database: Database, wrong: Any
    ) -> None:
        good = {"kind": "image-to-text", "image": png()}
        with pytest.raises(RequestError, match=r"requests\[1\]: "):
            client.submit_many([good, wrong, good])
        assert num_rows(database) == (0, 0)
        assert stored_files(client) == []

    def test_ten_thousand_are_one_transaction_and_small_messages(
        self, settings: Settings, database: Database, redis_server: RedisServer
    ) -> None:
        secret = "SECRET-PROMPT"
        with Client(settings=settings) as client:
            jobs = client.submit_many([{"kind": KIND, "prompt": secret}] * 10_000)
        assert len({job.id for job in jobs}) == 10_000
        with redis_server.connect() as connection:
            messages = connection.lrange(QUEUE, 0, -1)
        # All others wait in the ledger, where the urgent can overtake them.
        assert len(messages) == settings.queue_ahead
        assert [json.loads(message)["headers"]["id"] for message in reversed(messages)] == [
            job.id for job in jobs[: settings.queue_ahead]
        ]
        assert max(map(len, messages)) <= 1000
        assert not any(secret.encode() in message for message in messages)
        with database.reading() as connection:
            assert (
                connection.execute(select(func.count(JOBS.c.dispatched_at))).scalar_one()
                == settings.queue_ahead
            )

    def test_threads_may_share_a_client(self, settings: Settings, database: Database) -> None:
        with Client(settings=settings) as client, ThreadPoolExecutor(8) as threads:
            jobs = list(threads.map(lambda number: client.submit(KIND, prompt=str(number)), range(80)))
        assert len({job.id for job in jobs}) == 80
        assert num_rows(database)[0] == 80

    def test_tasks_may_share_an_async_client(self, settings: Settings) -> None:
        async def submit_all() -> list[Job]:
            async with AsyncClient(settings=settings) as client:
                return await asyncio.gather(*(client.submit(KIND, prompt=str(n)) for n in range(40)))

        assert len({job.id for job in asyncio.run(submit_all())}) == 40


class TestWait:
    def test_a_finished_job_comes_with_its_result(self, client: Any, ledger: Ledger) -> None:
        job = client.wait(finished(client, ledger).id, timeout_s=10)
        assert job.raise_for_state() is job
        assert job.is_finished
        assert job.result.images[0].pil().getpixel((0, 0)) == (0, 0, 255)
        assert job.result.seed == 3

    def test_time_that_is_over_is_said_and_the_job_goes_on(self, client: Any) -> None:
        job = client.submit(KIND, prompt="x")
        began = time.monotonic()
        with pytest.raises(WaitTimeout, match=job.id) as raised:
            client.wait(job.id, timeout_s=0.3)
        assert 0.3 <= time.monotonic() - began < 5
        assert isinstance(raised.value, TimeoutError)
        assert client.get(job.id).state is JobState.QUEUED

    def test_no_time_at_all_is_one_look(self, client: Any, ledger: Ledger) -> None:
        assert client.wait(finished(client, ledger).id, timeout_s=0).is_finished
        with pytest.raises(WaitTimeout):
            client.wait(client.submit(KIND, prompt="x").id, timeout_s=0)

    def test_changes_are_told_once_each(self, client: Any, ledger: Ledger, database: Database) -> None:
        job = client.submit(KIND, prompt="x")
        seen: list[tuple[JobState, Progress]] = []

        def work(state: JobState, progress: Progress) -> None:
            # The worker's next move follows the client's look, so that none is missed.
            seen.append((state, progress))
            if len(seen) == 1:
                ledger.claim(job.id, "worker")
            elif len(seen) == 2:
                said(database, job.id, 1, 5, 20)
            elif len(seen) == 3:
                ledger.fail(job.id, 1, JobError(code="internal", message="It broke.", fault="machine"))

        done = client.wait(job.id, timeout_s=30, on_progress=work)
        assert [(state.value, progress.step) for state, progress in seen] == [
            ("queued", 0), ("running", 0), ("running", 5), ("failed", 5)
        ]  # fmt: skip
        with pytest.raises(JobFailed, match=r"\(internal\): It broke\."):
            done.raise_for_state()

    def test_a_job_that_ends_elsewhere_ends_the_wait(self, client: Any, ledger: Ledger) -> None:
        job = client.submit(KIND, prompt="x")
        told = threading.Event()

        def cancel() -> None:
            assert told.wait(timeout=30)
            ledger.cancel(job.id)

        with ThreadPoolExecutor(1) as threads:
            canceling = threads.submit(cancel)
            done = client.wait(job.id, timeout_s=30, on_progress=lambda *_: told.set())
            canceling.result(timeout=30)
        assert done.state is JobState.CANCELED


class TestPreview:
    def test_who_waits_sees_each_once(self, client: Any, ledger: Ledger, database: Database) -> None:
        job, wire = client.submit(KIND, prompt="x"), Wire(database)
        pictures = [Preview(jpeg=bytes([step]), step=step, total=2) for step in (1, 2)]
        seen: list[Preview] = []

        def begin(state: JobState, progress: Progress) -> None:
            if state is JobState.QUEUED:
                ledger.claim(job.id, "worker")

        def make() -> None:
            for number, picture in enumerate(pictures):
                wait_until(lambda: wire.wishes("worker"), what="somebody to look")
                wire.tell([Report(job.id, 1, Progress(step=picture.step, total=2), picture)])
                wait_until(lambda: len(seen) > number, what="the preview's arrival")  # noqa: B023
            ledger.fail(job.id, 1, JobError(code="internal", message="It broke.", fault="machine"))

        assert client.preview(job.id) is None
        with ThreadPoolExecutor(1) as threads:
            making = threads.submit(make)
            client.wait(job.id, timeout_s=30, on_progress=begin, on_preview=seen.append)
            making.result(timeout=30)
        assert seen == pictures
        assert client.preview(job.id) is None


UNKNOWN_IDS = ["nobody", "", "a\0b", "\ud800", "x" * 65, "x" * 100_000, "ä", None, 5, "' OR 1=1 --"]


class TestFind:
    @pytest.mark.parametrize("job_id", UNKNOWN_IDS, ids=lambda job_id: ascii(job_id)[:12])
    def test_a_job_that_is_not_there(self, client: Any, job_id: Any) -> None:
        for ask in (client.get, client.wait, client.cancel, client.preview):
            with pytest.raises(JobNotFound) as raised:
                ask(job_id)
            assert (raised.value.field, len(str(raised.value)) < 200) == ("id", True)

    def test_pages_hold_each_job_once_newest_first(self, client: Any) -> None:
        jobs = client.submit_many([{"kind": KIND, "prompt": str(number)} for number in range(25)])
        found: list[Job] = []
        while page := client.list(limit=7, before=found[-1] if found else None):
            assert len(page) <= 7
            found += page
        assert [job.id for job in found] == [job.id for job in reversed(jobs)]

    def test_kind_and_state_narrow(self, client: Any) -> None:
        one = client.submit(KIND, prompt="x")
        other = client.submit("image-to-text", image=png())
        client.cancel(other.id)
        assert [job.id for job in client.list(kind=KIND)] == [one.id]
        assert [job.id for job in client.list(state="canceled")] == [other.id]
        assert [job.id for job in client.list(state=JobState.QUEUED, kind="image-to-text")] == []
        assert [job.id for job in client.list(state=JobState.QUEUED, before=other)] == [one.id]

    @pytest.mark.parametrize(
        ("narrow", "field"),
        [
            ({"kind": "nonsense"}, "kind"), ({"kind": []}, "kind"), ({"state": "done"}, "state"),
            ({"limit": 0}, "limit"), ({"limit": -1}, "limit"), ({"limit": 10**30}, "limit"),
        ],
    )  # fmt: skip
    def test_a_wrong_filter_is_named(self, client: Any, narrow: dict[str, Any], field: str) -> None:
        with pytest.raises(RequestError) as raised:
            client.list(**narrow)
        assert raised.value.field == field

    def test_models_and_workers_are_listed(self, client: Any) -> None:
        assert [model.name for model in client.models(KIND)] == ["pocket-diffusion"]
        assert len(client.models()) == 4
        assert client.workers() == []


class TestCancel:
    def test_a_queued_job_is_canceled_at_once(self, client: Any) -> None:
        job = client.cancel(client.submit(KIND, prompt="x").id)
        assert job.state is JobState.CANCELED
        assert client.cancel(job.id) == job
        with pytest.raises(JobFailed, match="was canceled"):
            job.raise_for_state()

    def test_a_running_job_is_asked_to_stop(self, client: Any, ledger: Ledger) -> None:
        job = client.submit(KIND, prompt="x")
        ledger.claim(job.id, "worker")
        job = client.cancel(job.id)
        assert (job.state, job.cancel_requested) == (JobState.RUNNING, True)

    def test_a_finished_job_is_left(self, client: Any, ledger: Ledger) -> None:
        job = finished(client, ledger)
        assert client.cancel(job.id) == job


class TestAway:
    """What a client does while a server does not answer."""

    def test_a_database_that_is_away_accepts_nothing(self, make: Any, redis_url: str, tmp_path: Path) -> None:
        address = "postgresql+psycopg://someone:SECRET@127.0.0.1:1/nothing"
        with (
            make(redis_url=redis_url, database_url=address, artifacts_url=str(tmp_path / "a")) as client,
            pytest.raises(ServiceUnreachable, match="BRUSHWORK_DATABASE_URL") as raised,
        ):
            client.submit(KIND, prompt="x")
        assert "SECRET" not in str(raised.value)

    def test_a_database_without_tables_says_what_to_run(
        self, make: Any, redis_url: str, tmp_path: Path
    ) -> None:
        address = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        with (
            make(redis_url=redis_url, database_url=address, artifacts_url=str(tmp_path / "a")) as client,
            pytest.raises(ServiceUnreachable, match="brushwork migrate"),
        ):
            client.submit(KIND, prompt="x")
