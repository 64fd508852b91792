"""F19: who is to be told of jobs is slow, broken, elsewhere, gone or rude; the sender is a real process."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from random import Random

import pytest
from brushwork.webhooks.schedule import MULTIPLES
from brushwork_schemas.outbox import Outbox, WebhookEvent

from tests.chaos.liveness import all_take_work
from tests.chaos.moments import pause
from tests.chaos.scene import Scene
from tests.chaos.stack import Stack
from tests.receivers import BOUND_S, Receiver, break_off, hang_up, hold, sender_process, status
from tests.servers import wait_until

JOBS = ["steps=4 pause=0.02"] * 4
TRIES = 1 + len(MULTIPLES)
CLOUD = "http://169.254.169.254/latest/meta-data/"
MOST_EVENTS = 500


def sending(stack: Stack, life: int = 0) -> AbstractContextManager[None]:
    """A sender on this stack."""
    return sender_process(stack.settings, stack.folder / f"sender-{life}.log")


def told(stack: Stack, ids: Sequence[str]) -> list[WebhookEvent]:
    """What the outbox says of these jobs, delivered or not."""
    return [event for event in Outbox(stack.database).list(limit=MOST_EVENTS) if event.job_id in ids]


def wait_told(stack: Stack, *groups: Sequence[str]) -> None:
    """Until each of these jobs is told of, or nobody will try again."""

    def are_settled() -> bool:
        events = [event for ids in groups for event in told(stack, ids)]
        settled = [event for event in events if event.delivered_at or event.dead]
        return len(settled) == sum(map(len, groups))

    wait_until(are_settled, bound_s=BOUND_S, what="the telling", look_s=0.05)


def events_of(ids: Sequence[str]) -> set[str]:
    return {f"{job_id}:succeeded" for job_id in ids}


@pytest.mark.fault(
    "F19", "webhook receivers: slow, 500, redirects to 169.254.169.254, 410, drops in mid-body"
)
def test_bad_receivers_hold_up_nobody(scene: Scene) -> None:
    with (
        Receiver() as slow,
        Receiver() as failing,
        Receiver() as dropping,
        Receiver() as moved,
        Receiver() as inner,
        Receiver() as gone,
        scene.stack() as stack,
        sending(stack),
    ):
        slow.replies += [hold]
        failing.replies += [status(500), status(503), status(500)]
        dropping.replies += [break_off, hang_up, break_off, hang_up]
        moved.replies += [status(302, Location=CLOUD), status(307, Location=inner.url)] * (2 * TRIES)
        gone.replies += [status(410)] * len(JOBS)
        late = stack.submit(JOBS, webhook_url=f"{slow.url}/hook")
        wait_until(lambda: slow.heard, bound_s=BOUND_S, what="the first word to the slow one")
        tried = stack.submit(JOBS, webhook_url=f"{failing.url}/hook")
        dropped = stack.submit(JOBS, webhook_url=f"{dropping.url}/hook")
        lost = stack.submit(JOBS, webhook_url=f"{moved.url}/hook")
        closed = stack.submit(JOBS, webhook_url=f"{gone.url}/hook")
        # Inference does not care: all of them end while the first one still hangs.
        stack.settle()
        wait_told(stack, tried, dropped, lost, closed)
        assert len(slow.heard) == 1
        assert not [event for event in told(stack, late) if event.delivered_at or event.dead]
        slow.released.set()
        wait_told(stack, late)

        # Each as often as it had to be, always by the same id.
        assert Counter(slow.ids) == Counter(events_of(late))
        assert set(failing.ids) == events_of(tried)
        assert len(failing.ids) == len(tried) + 3
        # A status that came counts, whatever becomes of the rest; where none came, it is told again.
        assert set(dropping.ids) == events_of(dropped)
        assert len(dropping.ids) == len(dropped) + 2
        assert all(event.delivered_at for event in told(stack, [*late, *tried, *dropped]))
        assert inner.heard == []
        assert Counter(moved.ids) == dict.fromkeys(events_of(lost), TRIES)
        assert {event.last_status for event in told(stack, lost)} <= {302, 307}
        # Whoever is gone hears of an end at most once.
        assert max(Counter(gone.ids).values()) == 1
        assert {event.last_status for event in told(stack, closed)} == {410}
        assert all(event.dead and not event.delivered_at for event in told(stack, [*lost, *closed]))


@pytest.mark.fault("F19", "workers killed and the sender restarted while receivers are told", thorough=True)
def test_every_end_is_told_by_one_id_whoever_dies(scene: Scene, rng: Random) -> None:
    with Receiver() as receiver, scene.stack() as stack:
        ids = []
        for life in range(3):
            with sending(stack, life):
                receiver.replies += [status(500), hang_up]
                ids += stack.submit(JOBS * 4, webhook_url=f"{receiver.url}/hook")
                pause(rng.uniform(0.1, 0.5))
                stack.kill(rng.choice(stack.workers))
                pause(rng.uniform(0.0, 0.5))
        all_take_work(stack)
        with sending(stack, 3):
            wait_told(stack, ids)
        assert set(receiver.ids) == events_of(ids)
        assert all(event.delivered_at for event in told(stack, ids))
