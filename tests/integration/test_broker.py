"""The queue in a real Redis: what is in a message, and what a submit does while Redis is away or frozen."""

import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from brushwork import Client, Settings
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from brushwork_core.ledger import Ledger, WakeUp
from brushwork_core.queue.broker import LOOK, Publisher, celery_app
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.options import Priority
from celery import current_app
from sqlalchemy import select

from tests.jobs import taken
from tests.servers import RedisServer, free_port

KIND = "text-to-image"
# kombu's list of the messages of ordinary priority.
QUEUE = f"{KIND}\x06\x166"
TIMEOUT_S = 0.5
# What else a submit does, on a machine that is busy with other things.
REST_S = 1.5


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that this test may stop and freeze."""
    server = RedisServer(tmp_path)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def settings(own_redis: RedisServer, sqlite_url: str, tmp_path: Path) -> Settings:
    return settings_for(own_redis.url, sqlite_url, tmp_path)


def settings_for(redis_url: str, database_url: str, folder: Path) -> Settings:
    return Settings(
        redis_url=redis_url,  # type: ignore[arg-type]
        database_url=database_url,  # type: ignore[arg-type]
        artifacts_url=str(folder / "artifacts"),
        publish_timeout_s=TIMEOUT_S,
    )


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    with Client(settings=settings) as opened:
        yield opened


@pytest.fixture
def publisher(settings: Settings) -> Iterator[Publisher]:
    app = celery_app(settings)
    yield Publisher(app)
    app.close()


def jobs(number: int) -> list[WakeUp]:
    return [WakeUp(f"job-{index}", KIND, "a label") for index in range(number)]


def num_waiting(url: str) -> int:
    """The jobs that a worker finds in the ledger, whatever Redis holds."""
    database = Database(url)
    with database.reading() as connection:
        waits = (JOBS.c.state == "queued", JOBS.c.dispatched_at.is_(None))
        found = connection.execute(select(JOBS.c.id).where(*waits)).all()
    database.close()
    return len(found)


def url_of(settings: Settings) -> str:
    return settings.database_url.get_secret_value()


def claimed(settings: Settings) -> list[str]:
    """The jobs that a worker would claim now, in order."""
    database = Database(url_of(settings))
    found = taken(Ledger(database), 10)
    database.close()
    return found


def test_a_message_names_the_job_and_nothing_private(publisher: Publisher, own_redis: RedisServer) -> None:
    assert publisher.publish(jobs(1))
    with own_redis.connect() as connection:
        message = json.loads(connection.lindex(QUEUE, 0))
    headers = message["headers"]
    assert (headers["id"], headers["task"]) == ("job-0", "brushwork.text-to-image")
    assert (headers["argsrepr"], headers["kwargsrepr"]) == ("a label", "")
    assert message["content-type"] == "application/json"
    assert "argsrepr" not in message["properties"], "once is enough"
    assert headers[LOOK] is True, "it asks for whatever job is next"


def test_a_message_is_small_whatever_the_label(publisher: Publisher, own_redis: RedisServer) -> None:
    kind = max(all_kinds(), key=len)
    job_id, label = "0190b6a4-7f3e-7cc2-9e6f-3b1d2c4a5e6f", "a long label " * 20
    traceparent = f"00-{'4bf92f35' * 4}-{'00f067aa' * 2}-01"
    assert publisher.publish([WakeUp(job_id, kind, label, Priority.URGENT, traceparent=traceparent)])
    with own_redis.connect() as connection:
        message = connection.lindex(kind, 0)
    assert len(message) <= 1000
    assert json.loads(message)["headers"]["argsrepr"].startswith("a long label")


def test_a_message_hands_on_the_trace_of_its_job(client: Client, own_redis: RedisServer) -> None:
    trace_id, parent_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    client.submit(KIND, prompt="x", traceparent=f"00-{trace_id}-{parent_id}-01")
    client.submit(KIND, prompt="x")
    with own_redis.connect() as connection:
        later, first = (json.loads(message)["headers"] for message in connection.lrange(QUEUE, 0, 1))
    version, trace, parent, flags = first["traceparent"].split("-")
    assert (version, trace, flags) == ("00", trace_id, "01")
    assert parent != parent_id
    assert "traceparent" not in later


def test_each_priority_has_a_list_and_the_urgent_is_taken_first(
    publisher: Publisher, own_redis: RedisServer
) -> None:
    urgency = [Priority.LOW, Priority.URGENT, Priority.NORMAL, Priority.HIGH]
    assert publisher.publish([WakeUp(priority, KIND, "", priority) for priority in urgency])
    steps = publisher._app.connection_for_read().channel().priority_steps
    names = [f"{KIND}\x06\x16{step}" if step else KIND for step in steps]
    with own_redis.connect() as connection:
        messages = [json.loads(connection.lindex(name, 0)) for name in names]
    assert [message["headers"]["id"] for message in messages] == ["urgent", "high", "normal", "low"]


def test_what_waits_is_counted(publisher: Publisher) -> None:
    assert publisher.num_waiting(KIND) == 0
    assert publisher.publish(jobs(3))
    assert publisher.publish([])
    assert (publisher.num_waiting(KIND), publisher.num_waiting("image-to-text")) == (3, 0)


def test_priorities_are_counted_together(publisher: Publisher, own_redis: RedisServer) -> None:
    with own_redis.connect() as connection:
        for step in (0, 3, 6, 9):
            connection.lpush(f"{KIND}\x06\x16{step}" if step else KIND, "message")
    assert publisher.num_waiting(KIND) == 4


def test_a_count_without_redis_says_what_is_wrong(publisher: Publisher, own_redis: RedisServer) -> None:
    own_redis.stop()
    with pytest.raises(ServiceUnreachable, match="BRUSHWORK_REDIS_URL") as raised:
        publisher.num_waiting(KIND)
    assert own_redis.password not in str(raised.value)


def test_a_count_of_a_frozen_redis_ends(publisher: Publisher, own_redis: RedisServer) -> None:
    assert publisher.num_waiting(KIND) == 0
    own_redis.freeze()
    began = time.monotonic()
    with pytest.raises(ServiceUnreachable):
        publisher.num_waiting(KIND)
    assert time.monotonic() - began < TIMEOUT_S + REST_S


def test_without_redis_a_job_is_accepted_in_time(
    client: Client, own_redis: RedisServer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    client.submit(KIND, prompt="while it is there")
    own_redis.stop()
    for _ in range(2):
        began = time.monotonic()
        job = client.submit(KIND, prompt="SECRET-PROMPT")
        assert time.monotonic() - began < TIMEOUT_S + REST_S
        assert client.get(job.id).state == "queued"
    assert num_waiting(url_of(settings)) == 3
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings
    assert not any(own_redis.password in words or "SECRET-PROMPT" in words for words in warnings)


def test_redis_that_was_never_there_costs_no_more(sqlite_url: str, tmp_path: Path) -> None:
    settings = settings_for(f"redis://127.0.0.1:{free_port()}/0", sqlite_url, tmp_path)
    with Client(settings=settings) as client:
        began = time.monotonic()
        client.submit_many([{"kind": KIND, "prompt": "x"}] * 100)
        assert time.monotonic() - began < TIMEOUT_S + REST_S
    assert num_waiting(sqlite_url) == 100


@pytest.mark.parametrize("warm", [False, True], ids=["first publish", "later publish"])
def test_a_frozen_redis_holds_a_submit_no_longer_than_its_budget(
    client: Client, own_redis: RedisServer, settings: Settings, warm: bool
) -> None:
    if warm:
        client.submit(KIND, prompt="x")
    own_redis.freeze()
    began = time.monotonic()
    client.submit(KIND, prompt="x")
    assert time.monotonic() - began < TIMEOUT_S + REST_S
    assert num_waiting(url_of(settings)) == 1 + warm


def test_many_threads_before_a_frozen_redis_do_not_queue_up(
    client: Client, own_redis: RedisServer, settings: Settings
) -> None:
    client.submit(KIND, prompt="x")
    own_redis.freeze()
    with ThreadPoolExecutor(30) as threads:
        began = time.monotonic()
        list(threads.map(lambda _: client.submit(KIND, prompt="x"), range(30)))
    # One wait for a connection and one for its answer, not thirty of each.
    assert time.monotonic() - began < 2 * TIMEOUT_S + 2 * REST_S
    assert num_waiting(url_of(settings)) == 31


def test_after_redis_is_back_the_same_client_publishes(
    client: Client, own_redis: RedisServer, settings: Settings
) -> None:
    waiting = [client.submit(KIND, prompt="x")]
    own_redis.stop()
    waiting.append(client.submit(KIND, prompt="x"))
    own_redis.start()
    job = client.submit(KIND, prompt="who comes now does not overtake")
    assert claimed(settings) == [job.id for job in (*waiting, job)]
    with own_redis.connect() as connection:
        messages = connection.lrange(QUEUE, 0, -1)
    # It keeps nothing on disk, so what was there before is gone, too.
    assert [json.loads(message)["headers"]["id"] for message in messages] == [job.id]


def test_after_a_thaw_the_same_client_publishes(
    client: Client, own_redis: RedisServer, publisher: Publisher, settings: Settings
) -> None:
    own_redis.freeze()
    client.submit(KIND, prompt="x")
    own_redis.thaw()
    # The message of the first may still arrive.
    before = publisher.num_waiting(KIND)
    client.submit(KIND, prompt="x")
    assert publisher.num_waiting(KIND) == before + 1
    assert len(claimed(settings)) == 2


def test_the_host_program_s_celery_stays_its_own(
    own_redis: RedisServer, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = current_app._get_current_object()
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{free_port()}/0")
    with Client(settings=settings_for(own_redis.url, sqlite_url, tmp_path)) as client:
        client.submit(KIND, prompt="x")
    assert current_app._get_current_object() is before
    with own_redis.connect() as connection:
        assert connection.llen(QUEUE) == 1
    assert num_waiting(sqlite_url) == 1
