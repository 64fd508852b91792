"""A worker that takes no messages though some wait."""

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
    queue: Queue, ended: list[bool], *, concurrency: int = 2, deaf_s: float = -1.0
) -> ConsumerWatchdog:
    """With no patience at all, unless told otherwise."""
    return ConsumerWatchdog(
        ["text-to-image"],
        queue.num_waiting,
        concurrency=concurrency,
        deaf_s=deaf_s,
        on_deaf=lambda: ended.append(True),
    )


def test_messages_that_wait_beside_a_worker_that_has_room_end_it() -> None:
    ended: list[bool] = []
    consumer_watchdog(Queue(1), ended).look()
    assert ended


def test_it_is_given_time() -> None:
    ended: list[bool] = []
    consumer_watchdog(Queue(1), ended, deaf_s=60.0).look()
    assert not ended


def test_an_empty_queue_is_no_sign() -> None:
    ended: list[bool] = []
    consumer_watchdog(Queue(0), ended).look()
    assert not ended


def test_one_that_took_a_message_since_the_last_look_hears() -> None:
    ended: list[bool] = []
    ear = consumer_watchdog(Queue(1), ended)
    with ear.taken():
        pass
    ear.look()
    assert not ended
    ear.look()
    assert ended


def test_one_that_is_full_need_not_take_any() -> None:
    ended: list[bool] = []
    ear = consumer_watchdog(Queue(1), ended, concurrency=1)
    with ear.taken():
        ear.look()
        ear.look()
        assert not ended


def test_one_that_is_about_to_stop_need_not_take_any() -> None:
    ended: list[bool] = []
    ear = consumer_watchdog(Queue(1), ended)
    ear.rest()
    ear.look()
    assert not ended


def test_while_redis_is_away_nobody_can_hear() -> None:
    ended: list[bool] = []
    queue = Queue(1)
    queue.answers = False
    ear = consumer_watchdog(queue, ended, deaf_s=60.0)
    ear._hears_since -= 120.0
    with pytest.raises(ServiceUnreachable):
        ear.look()
    queue.answers = True
    ear.look()
    assert not ended, "its patience begins anew"
