"""F19: who is to be told of jobs is slow, broken, elsewhere, gone or rude; the sender is a real process."""

from contextlib import AbstractContextManager
from random import Random

import pytest
from brushwork_core.ledger.outbox import Outbox

from tests.bad_receivers import BadReceivers
from tests.chaos.liveness import all_take_work
from tests.chaos.moments import pause
from tests.chaos.scene import Scene
from tests.chaos.stack import Stack
from tests.receivers import BOUND_S, Receiver, hang_up, sender_process, status
from tests.servers import wait_until
from tests.telling import events_of, told, wait_told

JOBS = ["steps=4 pause=0.02"] * 4


def sending(stack: Stack, life: int = 0) -> AbstractContextManager[None]:
    """A sender on this stack."""
    return sender_process(stack.settings, stack.folder / f"sender-{life}.log")


@pytest.mark.fault(
    "F19", "webhook receivers: slow, 500, redirects to 169.254.169.254, 410, drops in mid-body"
)
def test_bad_receivers_hold_up_nobody(scene: Scene) -> None:
    with BadReceivers(len(JOBS)) as bad, scene.stack() as stack, sending(stack):
        outbox = Outbox(stack.database)
        late = stack.submit(JOBS, webhook_url=f"{bad.slow.url}/hook")
        wait_until(lambda: bad.slow.heard, bound_s=BOUND_S, what="the first word to the slow one")
        tried = stack.submit(JOBS, webhook_url=f"{bad.failing.url}/hook")
        dropped = stack.submit(JOBS, webhook_url=f"{bad.dropping.url}/hook")
        lost = stack.submit(JOBS, webhook_url=f"{bad.moved.url}/hook")
        closed = stack.submit(JOBS, webhook_url=f"{bad.gone.url}/hook")
        # Inference does not care: all of them end while the first one still hangs.
        stack.settle()
        wait_told(outbox, [*tried, *dropped, *lost, *closed])
        bad.let_go(outbox, late)
        bad.have_heard(outbox, late=late, tried=tried, dropped=dropped, lost=lost, closed=closed)


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
            wait_told(Outbox(stack.database), ids)
        assert set(receiver.ids) == events_of(ids)
        assert all(event.delivered_at for event in told(Outbox(stack.database), ids))
