"""Nothing is wedged: after a fault every worker still takes jobs, in all of its places."""

import time

from tests.chaos.stack import Stack
from tests.servers import wait_until

# So long that a worker which has room takes another rather than that the first comes again.
SLOW = "steps=10 pause=0.03"


def all_take_work(stack: Stack, *, bound_s: float = 30.0) -> None:
    """Submit until every worker that lives now, or its successor, has begun a job; then all have to end.

    How long it took all that was there before to end is noted as the time to settle.
    """
    began = time.monotonic()
    stack.settle(bound_s)
    stack.note_settled(time.monotonic() - began)

    def have_all_begun() -> bool:
        num_before = len(stack.journal.notes("begun"))
        stack.submit([SLOW] * 4 * len(stack.workers))
        stack.settle(bound_s)
        pids = {note.pid for note in stack.journal.notes("begun")[num_before:]}
        return {worker.pid for worker in stack.workers} <= pids

    wait_until(have_all_begun, bound_s=bound_s, what=f"work by every worker ({stack.logs()[-3000:]})")
