"""Who looks for waiting jobs, and how often; which workers are woken."""

import threading
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.fleet.maintenance_lease import lease_name
from brushwork_core.ledger import Ledger, WakeUp
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_workers.dispatch.wake_up_sender import WakeUpSender
from brushwork_workers.supervision.backlog_watch import BacklogWatch
from brushwork_workers.supervision.notification_thread import NotificationThread

from tests.jobs import KIND, new_job

NAME = lease_name(["a kind"])


class FakeBacklog:
    """A ledger that counts who asks for which kinds."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.asked: list[tuple[str, ...]] = []
        self.answers = True

    def kinds_with_work(self, kinds: Any, worker: str = "") -> list[str]:
        self.asked.append((worker, *kinds))
        if not self.answers:
            raise ServiceUnreachable("away")
        return [kind for kind in kinds if kind in self.waiting]


class Watch:
    """A watch with switches for all that it asks."""

    def __init__(self) -> None:
        self.leads = self.is_notified = False
        self.has_room = self.has_messages = True
        self.ledger = FakeBacklog()
        self.woken: list[str] = []
        self.watch = BacklogWatch(
            self.ledger, "w", ["own"], ["own", "other"],
            leads=lambda: self.leads, is_notified=lambda: self.is_notified,
            has_room=lambda: self.has_room, has_messages=lambda: self.has_messages,
            wake_self=lambda: self.woken.append("self"), wake_others=lambda kinds: self.woken.extend(kinds),
        )  # fmt: skip

    def asked(self, looks: int = 3) -> list[tuple[str, ...]]:
        """What is asked in so many looks: the worker and the kinds."""
        self.ledger.asked, self.woken[:] = [], []
        for _ in range(looks):
            self.watch.look()
        return self.ledger.asked


class TestBacklogWatch:
    def test_a_follower_looks_once_after_a_job_of_its_own_has_ended(self) -> None:
        watch = Watch()
        watch.ledger.waiting = ["own"]
        assert watch.asked() == []
        watch.watch.job_ended()
        assert watch.asked() == [("w", "own")]
        assert watch.woken == ["self"]

    def test_while_redis_is_away_each_worker_with_room_looks(self) -> None:
        watch = Watch()
        watch.ledger.waiting = ["own"]
        watch.has_messages = False
        assert watch.asked() == [("w", "own")] * 3
        watch.has_room = False
        assert watch.asked() == []
        watch.leads = True
        assert watch.asked() == [("", "own", "other")] * 3
        assert watch.woken == [], "the others cannot be woken"

    def test_the_leader_looks_for_all_kinds_each_time(self) -> None:
        watch = Watch()
        watch.leads = True
        watch.ledger.waiting = ["other"]
        assert watch.asked() == [("", "own", "other")] * 3
        assert watch.woken == ["other"] * 3
        watch.ledger.waiting = ["own"]
        watch.asked(1)
        assert watch.woken == ["self", "own"]
        watch.has_room = False
        watch.asked(1)
        assert watch.woken == ["own"]

    def test_a_leader_that_is_notified_looks_less_often_while_nothing_waits(self) -> None:
        watch = Watch()
        watch.leads = watch.is_notified = True
        assert len(watch.asked()) == 1
        watch.watch.wanted.set()
        assert len(watch.asked()) == 1, "a notification"
        watch.watch.job_ended()
        assert len(watch.asked()) == 1, "there is room"
        watch.ledger.waiting = ["own"]
        watch.watch.wanted.set()
        assert len(watch.asked()) == 3, "while jobs wait there may be room at any moment"

    def test_what_the_database_did_not_answer_is_asked_again(self) -> None:
        watch = Watch()
        watch.ledger.answers = False
        watch.watch.job_ended()
        for _ in range(3):
            with pytest.raises(ServiceUnreachable):
                watch.watch.look()
        watch.ledger.answers = True
        assert len(watch.asked()) == 1


class FakeQueue:
    """A Redis that holds messages that nobody takes."""

    def __init__(self, num_waiting: int) -> None:
        self.sent: list[str] = []
        self._num_waiting = num_waiting

    def num_waiting(self, kind: str) -> int:
        return self._num_waiting + len(self.sent)

    def publish(self, wake_ups: list[WakeUp]) -> bool:
        self.sent += [each.job_id for each in wake_ups]
        return True


@pytest.mark.parametrize(("num_waiting", "sent"), [(0, [3, 1]), (2, [2, 0]), (4, [0, 0]), (9, [0, 0])])
def test_as_many_workers_are_woken_as_jobs_wait_and_as_take_messages(
    database: Database, num_waiting: int, sent: list[int]
) -> None:
    ledger, queue = Ledger(database), FakeQueue(num_waiting)
    ledger.submit([new_job(job_id) for job_id in "abc"])
    sender = WakeUpSender(ledger, queue, queue_ahead=4)  # type: ignore[arg-type]
    found = []
    for _ in sent:
        before = len(queue.sent)
        sender.send([KIND, "image-to-text"])
        found.append(len(queue.sent) - before)
    assert found == sent


class FakeNotifications:
    """An open connection."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.is_lost = self.is_closed = False

    def payloads(self, timeout_s: float) -> list[str]:
        if self.is_lost:
            raise ServiceUnreachable("lost")
        waiting, self.waiting = self.waiting, []
        return waiting

    def close(self) -> None:
        self.is_closed = True


class TestNotifications:
    def test_only_the_leader_listens(self) -> None:
        opened: list[FakeNotifications] = []

        def open_() -> FakeNotifications:
            opened.append(FakeNotifications())
            return opened[-1]

        leads, wanted = [False], threading.Event()
        thread = NotificationThread(open_, lambda: leads[0], {"backlog": wanted})
        thread.hear()
        assert (opened, thread.is_notified) == ([], False)
        leads[0] = True
        thread.hear()
        assert thread.is_notified
        assert wanted.is_set(), "what happened before is looked for"
        wanted.clear()
        opened[0].waiting = ["of another version"]
        thread.hear()
        assert not wanted.is_set()
        opened[0].waiting = ["backlog"]
        thread.hear()
        assert wanted.is_set()
        opened[0].is_lost = True
        with pytest.raises(ServiceUnreachable):
            thread.hear()
        assert (opened[0].is_closed, thread.is_notified) == (True, False)
        thread.hear()
        assert (len(opened), thread.is_notified) == (2, True)
        leads[0] = False
        thread.hear()
        assert (opened[1].is_closed, thread.is_notified) == (True, False)

    def test_where_they_do_not_arrive_it_is_not_tried_all_the_time(self) -> None:
        tries: list[None] = []
        thread = NotificationThread(lambda: tries.append(None), lambda: True, {})
        for _ in range(3):
            thread.hear()
        assert (len(tries), thread.is_notified) == (1, False)
