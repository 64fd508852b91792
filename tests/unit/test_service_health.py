"""What a worker knows of its services, and what it holds while one is away."""

from pathlib import Path

import pytest
from brushwork_schemas.errors import BrushworkError, InvalidImage, ServiceUnreachable
from brushwork_workers.execution.held_files import HeldFiles
from brushwork_workers.execution.service_health import Service, ServiceHealth, service_of
from brushwork_workers.supervision.consumer_watchdog import ConsumerWatchdog
from brushwork_workers.supervision.recurring_thread import RecurringThread

from tests.servers import wait_until

LIMIT_S = 20.0


class TestServiceHealth:
    def test_the_field_of_an_error_names_the_service(self) -> None:
        assert service_of(ServiceUnreachable("x", field="artifacts_url")) is Service.STORE
        assert service_of(ServiceUnreachable("x", field="database_url")) is Service.DATABASE
        assert service_of(ServiceUnreachable("x", field="redis_url")) is Service.REDIS
        assert service_of(ServiceUnreachable("x")) is None, "the service of a plug-in"
        assert service_of(InvalidImage("x", field="artifacts_url")) is None

    @pytest.mark.parametrize(
        ("field", "takes_work"), [("artifacts_url", False), ("database_url", False), ("redis_url", True)]
    )
    def test_a_worker_takes_no_messages_while_it_cannot_work(self, field: str, takes_work: bool) -> None:
        changes: list[bool] = []
        health = ServiceHealth()
        health.on_change(lambda: changes.append(health.takes_work))
        assert health.takes_work
        service = health.failed(ServiceUnreachable("away", field=field))
        assert service is not None
        assert health.takes_work is takes_work
        service.failed(ServiceUnreachable("still away", field=field))
        service.answered()
        service.answered()
        assert changes == [takes_work, True], "each change is told once"

    def test_the_reason_is_kept_until_it_answers(self) -> None:
        service = ServiceHealth()[Service.STORE]
        service.failed(ServiceUnreachable("read-only", field="artifacts_url"))
        assert service.error is not None
        assert service.error.message == "read-only"
        service.answered()
        assert service.error is None

    def test_a_service_is_to_blame_if_it_answers_nobody(self) -> None:
        checks: list[bool] = []
        answers: list[BrushworkError | None] = [ServiceUnreachable("away", field="artifacts_url"), None]

        def check(is_away: bool) -> None:
            checks.append(is_away)
            if (error := answers.pop(0)) is not None:
                raise error

        service = ServiceHealth({Service.STORE: check})[Service.STORE]
        assert service.is_to_blame()
        assert service.is_to_blame(), "it was away a moment ago"
        assert checks == [False, True]

    def test_a_service_that_answers_the_check_is_not_to_blame(self) -> None:
        health = ServiceHealth({Service.STORE: lambda is_away: None})
        assert not health.is_to_blame(ServiceUnreachable("one file", field="artifacts_url"))
        assert not health.is_to_blame(InvalidImage("x", field="image"))

    def test_a_bug_of_a_check_ends_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        def check(is_away: bool) -> None:
            raise KeyError("a bug")

        service = ServiceHealth({Service.STORE: check})[Service.STORE]
        assert not service.is_to_blame()
        assert "The check of the artifact store failed" in caplog.text


def test_a_thread_logs_the_same_error_once(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise ServiceUnreachable("first" if len(calls) < 5 else "second", field="database_url")

    thread = RecurringThread("reconciler", 0.001, fail)
    thread.start()
    wait_until(lambda: len(calls) > 8, bound_s=LIMIT_S)
    thread.stop()
    lines = [record.getMessage() for record in caplog.records if "reconciler" in record.getMessage()]
    assert lines == ["reconciler: first", "reconciler: second"]


class TestHeldFiles:
    def test_memory_first_then_the_disk_then_no_more(self, tmp_path: Path) -> None:
        held = HeldFiles(10, 20, tmp_path / "held")
        first, second = held.add(b"a" * 8), held.add(b"b" * 15)
        assert (held.taken_bytes(on_disk=False), held.taken_bytes(on_disk=True)) == (8, 15)
        assert (first.read(), second.read(), second.read()) == (b"a" * 8, b"b" * 15, b"b" * 15)
        assert list((tmp_path / "held").iterdir()) == [], "a file goes with its process"
        with pytest.raises(ServiceUnreachable, match="may"):
            held.add(b"c" * 8)
        second.close()
        third = held.add(b"c" * 20)
        assert (held.largest_bytes, held.num_files) == (20, 2)
        for file in (first, third):
            file.close()
        assert (held.num_files, held.largest_bytes) == (0, 0)

    def test_a_disk_that_takes_nothing_is_no_room(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ServiceUnreachable) as raised:
            HeldFiles(1, 100, tmp_path / "file" / "held").add(b"four")
        assert raised.value.field == "artifacts_url"


def test_a_worker_that_takes_no_messages_on_purpose_is_not_stuck() -> None:
    stuck: list[str] = []
    takes_work = [False]
    watchdog = ConsumerWatchdog(
        ("k",),
        lambda kind: 5,
        limit_s=-1.0,
        on_stuck=lambda: stuck.append("stuck"),
        takes_work=lambda: takes_work[0],
    )
    watchdog.check()
    assert stuck == []
    takes_work[0] = True
    watchdog.check()
    assert stuck == ["stuck"]
