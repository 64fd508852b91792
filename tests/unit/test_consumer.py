"""Celery's consumer, as a worker changes it: pauses, connects again soon, and survives what kombu raises."""

from types import SimpleNamespace
from typing import Any

import pytest
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_workers.execution.service_health import Service, ServiceHealth
from brushwork_workers.process.consumer import RECONNECT, PatientConsumer
from celery.worker.consumer import Consumer


@pytest.fixture
def consumer() -> PatientConsumer:
    """Without a connection, and without what Celery's constructor asks for."""
    made: PatientConsumer = PatientConsumer.__new__(PatientConsumer)
    made.app = SimpleNamespace(worker_process=SimpleNamespace(service_health=ServiceHealth()))
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
    room[0] = False
    assert not qos.can_consume(), "a worker that is full takes none either"


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
