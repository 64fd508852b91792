"""A worker that takes no messages though some wait."""

import time
from collections.abc import Callable

import pytest
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_workers.supervision.consumer_watchdog import ConsumerWatchdog


class Queue:
    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.answers = True

    def num_waiting(self, kind: str) -> int:
        if not self.answers:
            raise ServiceUnreachable("Redis does not answer.")
        return self.waiting


def consumer_watchdog(
    queue: Queue,
    ended: list[bool],
    *,
    limit_s: float = -1.0,
    takes_work: Callable[[], bool] = lambda: True,
) -> ConsumerWatchdog:
    """With no patience at all, unless told otherwise."""
    return ConsumerWatchdog(
        ["text-to-image"],
        queue.num_waiting,
        limit_s=limit_s,
        on_stuck=lambda: ended.append(True),
        takes_work=takes_work,
    )


def test_messages_that_wait_beside_a_worker_that_has_room_end_it() -> None:
    ended: list[bool] = []
    consumer_watchdog(Queue(1), ended).check()
    assert ended


def test_it_is_given_time() -> None:
    ended: list[bool] = []
    consumer_watchdog(Queue(1), ended, limit_s=60.0).check()
    assert not ended


def test_its_time_begins_when_the_models_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("brushwork_workers.supervision.consumer_watchdog.time.monotonic", lambda: now[0])
    ended: list[bool] = []
    watchdog = consumer_watchdog(Queue(1), ended, limit_s=30.0)
    for now[0], is_over in ((600.0, False), (629.0, False), (631.0, True)):
        watchdog.check()
        assert bool(ended) is is_over, now


def test_an_empty_queue_is_no_sign() -> None:
    ended: list[bool] = []
    consumer_watchdog(Queue(0), ended).check()
    assert not ended


def test_one_that_took_a_message_since_the_last_look_hears() -> None:
    ended: list[bool] = []
    ear = consumer_watchdog(Queue(1), ended)
    ear.message_taken()
    ear.check()
    assert not ended
    ear.check()
    assert ended


def test_one_that_is_full_need_not_take_any() -> None:
    ended: list[bool] = []
    has_room = False
    ear = consumer_watchdog(Queue(1), ended, takes_work=lambda: has_room)
    ear.check()
    ear.check()
    assert not ended
    has_room = True
    ear.check()
    assert ended


def test_one_that_is_about_to_stop_need_not_take_any() -> None:
    ended: list[bool] = []
    ear = consumer_watchdog(Queue(1), ended)
    ear.stop()
    ear.check()
    assert not ended


def test_while_redis_is_away_nobody_can_hear() -> None:
    ended: list[bool] = []
    queue = Queue(1)
    queue.answers = False
    ear = consumer_watchdog(queue, ended, limit_s=60.0)
    ear._well_since = time.monotonic() - 120.0
    with pytest.raises(ServiceUnreachable):
        ear.check()
    queue.answers = True
    ear.check()
    assert not ended, "its patience begins anew"
