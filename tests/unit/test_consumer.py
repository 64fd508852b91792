"""Celery's consumer, as a worker changes it: pauses, connects again soon, and survives what kombu raises."""

from types import SimpleNamespace
from typing import Any

import pytest
from brushwork_core.queue.broker import LOOK
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_workers.execution.service_health import Service, ServiceHealth
from brushwork_workers.process.consumer import RECONNECT, PatientConsumer
from brushwork_workers.process.worker_process import WorkerProcess
from celery.worker.consumer import Consumer


class Process:
    """The parts of a worker process that decide whether it takes messages."""

    takes_messages = WorkerProcess.takes_messages

    def __init__(self) -> None:
        self.service_health = ServiceHealth()
        self.jobs = SimpleNamespace(has_room=True)


@pytest.fixture
def consumer() -> PatientConsumer:
    """Without a connection, and without what Celery's constructor asks for."""
    made: PatientConsumer = PatientConsumer.__new__(PatientConsumer)
    made.app = SimpleNamespace(worker_process=Process())
    return made


@pytest.mark.parametrize("service", [Service.STORE, Service.DATABASE])
def test_no_message_is_taken_while_a_service_is_away(consumer: PatientConsumer, service: Service) -> None:
    room = [True]
    qos = SimpleNamespace(can_consume=lambda: room[0])
    consumer._consume_only_if_served(qos)
    health = consumer.app.worker_process.service_health
    assert qos.can_consume()
    health[service].failed(ServiceUnreachable("away"))
    assert not qos.can_consume()
    health[service].answered()
    assert qos.can_consume()
    consumer.app.worker_process.jobs.has_room = False
    assert not qos.can_consume(), "another worker may have room"
    consumer.app.worker_process.jobs.has_room = True
    room[0] = False
    assert not qos.can_consume()


def test_a_connection_that_cannot_be_closed_does_not_end_the_worker(
    consumer: PatientConsumer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Consumer, exc: Exception) -> None:
        raise AttributeError("'NoneType' object has no attribute 'hostname'")

    monkeypatch.setattr(Consumer, "on_connection_error_after_connected", fail)
    consumer.on_connection_error_after_connected(ConnectionError("refused"))
    assert "could not be closed: AttributeError" in caplog.text


def test_redis_is_tried_again_every_two_seconds(
    consumer: PatientConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    connection = SimpleNamespace(ensure_connection=lambda *args, **options: asked.append(options))
    monkeypatch.setattr(
        Consumer, "ensure_connected", lambda self, conn: conn.ensure_connection(max_retries=None)
    )
    consumer.ensure_connected(connection)
    assert asked == [{"max_retries": None, **RECONNECT}]
    assert RECONNECT["interval_max"] == 2.0


@pytest.mark.parametrize(
    ("headers", "job_id"),
    [({"id": "a", LOOK: True}, None), ({"id": "a"}, "a"), ({"id": "a", LOOK: False}, "a")],
)
def test_a_message_asks_for_whatever_is_next_or_if_it_is_of_an_older_client_for_its_job(
    consumer: PatientConsumer, headers: dict[str, object], job_id: str | None
) -> None:
    taken: list[str | None] = []
    acknowledged: list[object] = []
    consumer.app.worker_process.message_taken = taken.append
    consumer.connection_errors = ()
    message = SimpleNamespace(headers=headers, ack_log_error=lambda *args: acknowledged.append(args))
    consumer._look(message)
    assert taken == [job_id]
    # Kombu has not noted the others, so there is nothing to acknowledge.
    assert bool(acknowledged) is (job_id is not None)
