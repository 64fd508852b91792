"""F15: a worker whose clock is wrong.

What is shifted is `time.time` in the worker's process, by which alone brushwork, Celery and kombu could go.
The ledger takes its times from the database: PostgreSQL's own process, which is not shifted, or SQLite, which
asks the system and not Python. So this shows that nothing compares a worker's clock with a lease, a dispatch
or another worker. It does not show two hosts on one SQLite file, which is not supported.
"""

import pytest

from tests.chaos.scene import Scene
from tests.servers import wait_until

HOURS_S = 3600.0


@pytest.mark.fault("F15", "one worker's clock 2 h off", both=True)
@pytest.mark.parametrize("ahead_s", [2 * HOURS_S, -2 * HOURS_S], ids=["ahead", "behind"])
def test_a_wrong_clock_costs_nothing(scene: Scene, ahead_s: float) -> None:
    with scene.stack(num_workers=1, supervised=False) as stack:
        wrong = stack.start_worker("w1", clock_ahead_s=ahead_s)
        stack.wait_ready(2)
        # Each longer than a lease, and beside them short ones.
        jobs = stack.submit(["steps=30 pause=0.1"] * 8 + ["steps=4 pause=0.05"] * 20)
        wait_until(
            lambda: {note.pid for note in stack.journal.notes("begun")} == {one.pid for one in stack.workers},
            what="work for both",
        )
        stack.settle()
        assert len(stack.journal.notes("begun")) == len(jobs), "a job was run twice"
        assert wrong.is_alive
