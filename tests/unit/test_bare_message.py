"""Messages of foreign programs are read, whatever they contain, and each becomes a job or says why not."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from brushwork_core.database.database import Database
from brushwork_core.queue.task_ids import job_id_of, shown
from brushwork_schemas.job import Job, checked_id
from brushwork_schemas.states import JobState
from brushwork_workers.dispatch.bare_message import BareMessage, is_own, read
from brushwork_workers.process.queue_entries import EntryMessage, _loads_or_text
from celery import Celery, chain, group
from kombu import Connection
from kombu.utils.json import dumps

from tests.jobs import KIND, new_job, taken
from tests.stations import TestStation, nothing

TASK = "brushwork.text-to-image"
GOOD = {"prompt": "a red circle"}


@pytest.fixture
def worker_process(database: Database, tmp_path: Path) -> TestStation:
    return TestStation(database, tmp_path, nothing)


@pytest.fixture(scope="module")
def channel() -> Iterator[Any]:
    with Connection("memory://") as connection:
        yield connection.channel()


@pytest.fixture
def received(worker_process: TestStation, channel: Any) -> Callable[[Any], Job]:
    """What becomes of an entry of the queue: the job."""

    def receive(entry: Any) -> Job:
        text = entry if isinstance(entry, str) else dumps(entry)
        message = EntryMessage(_loads_or_text(text), channel=channel)
        message.accept = {"application/json"}
        assert not is_own(message)
        return worker_process.job(
            worker_process.bare_messages.accept_message(read(message, ["text-to-image"]))
        )

    return receive


def entry(body: Any = None, headers: Any = None, **changes: Any) -> dict[str, Any]:
    """An entry of a queue as Celery's clients write it, with changes."""
    return {
        "body": body if isinstance(body, str) else dumps([[], GOOD, {}] if body is None else body),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": TASK, "id": "the-task", **(headers or {})},
        "properties": {
            "delivery_info": {"exchange": "", "routing_key": "text-to-image"},
            "delivery_tag": "1",
        },
        **changes,
    }


def with_kwargs(**kwargs: Any) -> dict[str, Any]:
    return entry([[], {**GOOD, **kwargs}, {}])


# What was lost before: Celery or kombu raised, and the message had left its queue.
LOST = {
    "bytes for a picture": (with_kwargs(image=b"\x89PNG\r\n"), "image"),
    "bytes for a prompt": (with_kwargs(prompt=b"\xff\xfe"), "prompt"),
    "a time for a seed": (with_kwargs(seed=datetime(2026, 1, 1, tzinfo=UTC)), "seed"),
    "a day for a width": (with_kwargs(width=date(2026, 1, 1)), "width"),
    "a UUID for a model": (with_kwargs(model=UUID(int=7)), "model"),
    "a name of Python's": (with_kwargs(self="me"), "self"),
    "another name of Python's": (with_kwargs(task="me"), "task"),
    "no arguments": (entry([[], {}, {}]), "prompt"),
    "null for the arguments": (entry([None, None, None]), "prompt"),
    "a list of arguments by name": (entry([[], ["prompt"], {}]), "kwargs"),
    "a word of arguments by name": (entry([[], "prompt", {}]), "kwargs"),
    "a body of two": (entry([[], GOOD]), "body"),
    "null for a body": (entry("null"), "body"),
    "a body that is cut off": (entry('[[], {"prompt": '), "body"),
    "a body without an end": (entry("[" * 100_000), "body"),
    "an empty body": (entry(""), "body"),
    "a pickle": (entry(**{"content-type": "application/x-python-serialize"}), "body"),
    "YAML": (entry(**{"content-type": "application/x-yaml"}), "body"),
    "an unknown type": (entry(**{"content-type": "application/nonsense"}), "body"),
    "base64 that is none": (
        entry("#", properties={"body_encoding": "base64", "delivery_tag": "1", "delivery_info": {}}),
        None,
    ),
    "a compression that is none": (entry(headers={"compression": "application/x-gzip"}), None),
    "an unknown task": (entry(headers={"task": "brushwork.nonsense"}), "task"),
    "a task of Celery's": (entry(headers={"task": "celery.backend_cleanup"}), "task"),
    "a list for a task": (entry(headers={"task": [TASK]}), "task"),
    "an eta that is no time": (entry(headers={"eta": "tomorrow"}), "eta"),
    "a number for an eta": (entry(headers={"eta": 5}), "eta"),
    "an eta out of the calendar": (entry(headers={"eta": "9999-12-31T23:59:59-23:00"}), "eta"),
    "an expiry that is no time": (entry(headers={"expires": {"in": 5}}), "expires"),
    "a callback without a name": (entry([[], GOOD, {"callbacks": [{"args": []}]}]), "link"),
    "a word for a callback": (entry([[], GOOD, {"callbacks": "done"}]), "link"),
    "a number for error callbacks": (entry([[], GOOD, {"errbacks": [5]}]), "link_error"),
    "a chain that is none": (entry([[], GOOD, {"chain": {"task": ""}}]), "chain"),
    "text that is no JSON": ("no JSON", None),
    "a list": ("[]", None),
    "a number": ("5", None),
    "an object without anything": ("{}", "body"),
    "headers that are a list": (entry(headers=None) | {"headers": ["task"]}, "task"),
    "properties that are a word": (entry(properties="none"), None),
}


@pytest.mark.one_database("the words of the refusal are the same")
@pytest.mark.parametrize("name", LOST)
def test_what_was_lost_is_a_failed_job_that_says_why(name: str, received: Callable[[Any], Job]) -> None:
    sent, field = LOST[name]
    job = received(sent)
    if name == "properties that are a word":
        # All that matters is there.
        assert job.state is JobState.QUEUED
        return
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert (job.error.code, job.error.fault) == ("invalid_request", "caller") or job.error.field == "image"
    if field is not None:
        assert job.error.field == field
    assert job.error.message


def test_what_a_refused_message_held_is_kept(received: Callable[[Any], Job]) -> None:
    job = received(with_kwargs(self="me", when=datetime(2026, 1, 1, tzinfo=UTC), data=b"abc"))
    kept = job.request if isinstance(job.request, dict) else dict(job.request)
    assert kept["self"] == "me"
    assert "2026-01-01" in json.dumps(kept["when"])
    assert "abc" in json.dumps(kept["data"])


@pytest.mark.one_database("nothing of this depends on the database")
def test_a_message_of_the_first_protocol_is_a_job(received: Callable[[Any], Job]) -> None:
    body = {"task": TASK, "id": "first", "args": [], "kwargs": GOOD, "eta": "2030-01-01T00:00:00"}
    job = received(entry(body, headers=None) | {"headers": {}})
    assert (job.id, job.state) == ("first", JobState.QUEUED)
    assert job.retry_at == datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.one_database("nothing of this depends on the database")
@pytest.mark.parametrize("changes", [{"task_id": None}, {"task_id": ""}, {"task_id": 5}])
def test_a_message_without_an_id_is_a_job_with_one(
    changes: dict[str, Any], received: Callable[[Any], Job]
) -> None:
    job = received(entry(headers={"id": changes["task_id"]}))
    assert job.state is JobState.QUEUED
    assert UUID(job.id)


@pytest.mark.parametrize(
    "task_id",
    [
        *(
            "a/b",
            "..",
            ".",
            "a\\b",
            "/",
            "../../etc/passwd",
            "图 1",
            "a\nb",
            "\x1b]0;title\x07",
            "\x1b[2J",
            "x" * 65,
        ),
        *("a\0b", "\u202eabc", "\ud800", "x" * 5000),
    ],
    ids=ascii,
)
def test_an_id_that_no_address_holds_has_a_derived_one_that_is_told(
    task_id: str, received: Callable[[Any], Job]
) -> None:
    job = received(entry(headers={"id": task_id}))
    assert UUID(job.id)
    assert job.id == job_id_of(task_id)
    assert job.task_id == shown(task_id)
    assert not set(str(job.task_id)) & set("\0\x1b\n\u202e")
    assert received(entry(headers={"id": task_id})).id == job.id


def test_an_id_that_an_address_holds_is_kept() -> None:
    kept = [f"a{chr(code)}b" for code in range(0x20, 0x7F) if chr(code) not in "/\\"]
    assert [job_id_of(task_id) for task_id in kept] == kept
    assert [checked_id(job_id_of(task_id)) for task_id in ("a/b", "\n")]


def test_a_control_character_is_not_logged(
    received: Callable[[Any], Job], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    job = received(entry(headers={"id": "\x1b[2Ja\r\nb"}))
    assert job.id in caplog.text
    assert "\x1b[2J" not in caplog.text
    assert "\r" not in caplog.text


def test_times_of_celery_are_in_the_ledger(received: Callable[[Any], Job]) -> None:
    in_days = datetime.now(UTC) + timedelta(days=3)
    later = received(entry(headers={"id": "later", "eta": in_days.isoformat()}))
    assert later.state is JobState.QUEUED
    assert later.retry_at is not None
    assert abs((later.retry_at - in_days).total_seconds()) < 1
    ends = received(entry(headers={"id": "ends", "expires": in_days.isoformat()}))
    assert ends.deadline_at is not None
    assert abs((ends.deadline_at - in_days).total_seconds()) < 5
    gone = received(entry(headers={"id": "gone", "expires": "2020-01-01T00:00:00+00:00"}))
    assert (gone.state, gone.error) == (JobState.EXPIRED, None)


@pytest.mark.parametrize("zone", ["", "Z", "+00:00"])
def test_a_time_without_a_zone_is_one_of_utc(zone: str, received: Callable[[Any], Job]) -> None:
    job = received(entry(headers={"eta": f"2030-06-01T12:00:00{zone}"}))
    assert job.retry_at == datetime(2030, 6, 1, 12, tzinfo=UTC)


def test_a_revoked_message_is_a_canceled_job(worker_process: TestStation) -> None:
    bare = BareMessage("gone", "text-to-image", (), GOOD, is_revoked=True)
    assert worker_process.bare_messages.accept_message(bare) == "gone"
    assert worker_process.job("gone").state is JobState.CANCELED


def test_a_job_of_a_message_waits_for_its_turn(worker_process: TestStation) -> None:
    """Whoever took the message need not serve its kind, and others may have waited longer."""
    ledger = worker_process.ledger
    ledger.submit([new_job("early")])
    assert worker_process.bare_messages.accept_message(BareMessage("a", KIND, (), GOOD)) == "a"
    assert not ledger.has_backlog(["image-to-text"])
    assert taken(ledger) == ["early", "a"]


def test_the_ids_behind_a_job_in_its_chain_are_known() -> None:
    app = Celery("program", broker="memory://", backend="cache+memory://", set_as_current=False)

    def task(name: str) -> Any:
        return app.signature(name, task_id=f"id-of-{name}")

    work = chain(task("job"), task("next"), group(task("left"), task("right")), task("body"), app=app)
    frozen, _ = work.prepare_steps((), {}, work.tasks, app=app)
    message = SimpleNamespace(
        headers={"task": TASK, "id": "job"}, errors=[], properties={}, delivery_info={}, body="",
        payload=json.loads(dumps([[], {}, {"chain": [dict(step) for step in frozen[:-1]]}])),
    )  # fmt: skip
    bare = read(message, ["text-to-image"])
    assert bare.problem is None
    assert {"id-of-next", "id-of-left", "id-of-right", "id-of-body"} <= set(bare.chained)
