"""Callbacks in Redis: all of a job or none, and once, however often they are published."""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Job
from brushwork_schemas.states import JobState
from brushwork_workers.dispatch import callback_publisher
from brushwork_workers.dispatch.bare_message import as_json
from brushwork_workers.dispatch.callback_publisher import CallbackPublisher
from celery import Celery, chain, chord, group

from tests.servers import RedisServer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
APP = Celery("program", broker="memory://", backend="cache+memory://", set_as_current=False)


def job(state: JobState = JobState.SUCCEEDED, **columns: Any) -> Job:
    given = {"id": "a", "kind": "text-to-image", "model": "m", "label": "l", "request": {}, "created_at": NOW}
    result = {"images": []} if state is JobState.SUCCEEDED else None
    return Job(**{**given, "state": state, "result": result, "task_id": "a/b", **columns})


def signatures(*names: str, **options: Any) -> list[Any]:
    return [as_json(dict(APP.signature(name, **options))) for name in names]


@pytest.fixture
def publisher(redis_url: str) -> Iterator[CallbackPublisher]:
    opened = CallbackPublisher(Settings(redis_url=redis_url))  # type: ignore[arg-type]
    yield opened
    opened.close()


@pytest.fixture
def server(redis_server: RedisServer, redis_url: str) -> Iterator["redis.Redis"]:
    with redis_server.connect() as connection:
        yield connection


def sent(server: "redis.Redis", queue: str = "celery") -> list[tuple[str, str, Any]]:
    """The messages in a queue, the oldest first: task, id and arguments."""
    messages = [json.loads(entry) for entry in reversed(server.lrange(queue, 0, -1))]
    bodies = [json.loads(base64.b64decode(message["body"])) for message in messages]
    headers = [message["headers"] for message in messages]
    return [(header["task"], header["id"], body[0]) for header, body in zip(headers, bodies, strict=True)]


def test_a_success_calls_link_and_the_chain_with_the_result(
    publisher: CallbackPublisher, server: "redis.Redis"
) -> None:
    relations = {
        "link": signatures("one", "two"),
        "link_error": signatures("bad"),
        "chain": signatures("last", "next"),
    }
    assert publisher.publish(job(), relations, again=False) == 3
    assert [(task, args) for task, _, args in sent(server)] == [
        ("one", [{"images": []}]),
        ("two", [{"images": []}]),
        ("next", [{"images": []}]),
    ]


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELED, JobState.EXPIRED])
def test_every_other_end_calls_link_error_with_the_task_id(
    state: JobState, publisher: CallbackPublisher, server: "redis.Redis"
) -> None:
    relations = {"link": signatures("good"), "link_error": signatures("bad"), "chain": signatures("next")}
    assert publisher.publish(job(state), relations, again=False) == 1
    assert [(task, args) for task, _, args in sent(server)] == [("bad", ["a/b"])]


def test_what_was_published_is_not_published_again(
    publisher: CallbackPublisher, server: "redis.Redis"
) -> None:
    relations = {"link": signatures("one", "two")}
    publisher.publish(job(), relations, again=False)
    assert publisher.publish(job(), relations, again=True) == 0
    assert len(sent(server)) == 2
    # Of another job, nothing was.
    assert publisher.publish(job(id="b"), relations, again=True) == 2


def test_a_repeat_that_redis_cannot_tell_has_the_same_ids(
    publisher: CallbackPublisher, server: "redis.Redis"
) -> None:
    of_group = as_json(dict(group(APP.signature("left"), APP.signature("right"))))
    relations = {"link": [*signatures("one"), *signatures("two"), of_group]}
    for _ in "12":
        publisher.publish(job(), relations, again=True)
        server.delete(f"{callback_publisher.MARK}a")
    ids = [task_id for _, task_id, _ in sent(server)]
    assert len(ids) == 8
    assert ids[:4] == ids[4:]
    assert len(set(ids)) == 4


@pytest.mark.parametrize("failing", ["EXEC", "SET"])
def test_all_are_published_or_none(
    failing: str, publisher: CallbackPublisher, server: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    relations = {"link": signatures("one", "two")}

    def fail(self: Any, *args: Any, **options: Any) -> Any:
        raise redis.ConnectionError("the connection is gone")

    name = {"EXEC": "_execute_transaction", "SET": "set"}[failing]
    with monkeypatch.context() as broken:
        broken.setattr(redis.client.Pipeline, name, fail)
        with pytest.raises(ServiceUnreachable):
            publisher.publish(job(), relations, again=False)
    assert sent(server) == []
    assert publisher.publish(job(), relations, again=True) == 2
    assert len(sent(server)) == 2


@pytest.mark.parametrize("kwargs", [{"header": 5, "body": 5}, 5])
def test_a_signature_that_cannot_be_sent_takes_no_other_along(
    kwargs: object, publisher: CallbackPublisher, server: "redis.Redis"
) -> None:
    broken: Mapping[str, Any] = {
        "task": "celery.chord",
        "subtask_type": "chord",
        "kwargs": kwargs,
    }
    relations = {"link": [*signatures("one"), broken, *signatures("two")]}
    assert publisher.publish(job(), relations, again=False) == 2
    assert [task for task, *_ in sent(server)] == ["one", "two"]


def test_a_chord_behind_a_job_is_counted_in_the_programs_own_queue(
    publisher: CallbackPublisher, server: "redis.Redis"
) -> None:
    fan = chord([APP.signature("left"), APP.signature("right")], APP.signature("body"), app=APP)
    work = chain(APP.signature("brushwork.text-to-image"), fan, app=APP)
    steps, _ = work.prepare_steps((), {}, work.tasks, app=APP)
    publisher.publish(job(), {"chain": [as_json(dict(steps[0]))]}, again=False)
    assert sorted(task for task, *_ in sent(server)) == ["celery.chord_unlock", "left", "right"]


def test_a_job_behind_a_job_goes_to_the_queue_of_its_kind(
    publisher: CallbackPublisher, server: "redis.Redis"
) -> None:
    relations = {"chain": signatures("brushwork.image-upscaling", immutable=True)}
    publisher.publish(job(), relations, again=False)
    assert [task for task, *_ in sent(server, "image-upscaling")] == ["brushwork.image-upscaling"]


def test_arguments_keep_their_types(publisher: CallbackPublisher, server: "redis.Redis") -> None:
    publisher.publish(job(), {"link": signatures("one", args=(NOW, b"bytes"))}, again=False)
    [(_, _, args)] = sent(server)
    assert args[1]["__type__"] == "datetime"
    assert args[2]["__type__"] == "bytes"
