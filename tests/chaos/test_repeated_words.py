"""F16, F17: the same thing said many times."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from brushwork_core.ledger import WakeUp
from brushwork_core.queue.broker import Publisher, celery_app
from brushwork_schemas.errors import IdempotencyConflict

from tests.chaos.scene import Scene
from tests.chaos.stack import KIND, PATIENT, Stack

TIMES = 50


@pytest.mark.fault("F16", "one job's message sent 50 times, several workers", both=True)
def test_a_message_that_comes_fifty_times_is_one_attempt(scene: Scene) -> None:
    with scene.stack(num_workers=3, **PATIENT) as stack:
        jobs = stack.submit(["steps=5 pause=0.1"] * 3)
        with celery_app(stack.settings) as app:
            for job_id in jobs * TIMES:
                assert Publisher(app).publish([WakeUp(job_id, KIND, "again")])
        stack.settle()
        stack.submit(["steps=2"] * 8)
        stack.settle()
        assert [stack.journal.num_begun(job_id) for job_id in jobs] == [1] * len(jobs)


@pytest.mark.fault(
    "F17", "one idempotency key, 50 clients at once; then the same key for another request", both=True
)
def test_fifty_clients_with_one_key_share_one_job(scene: Scene) -> None:
    with scene.stack(num_workers=2) as stack:
        with ThreadPoolExecutor(TIMES) as clients:
            answers = list(clients.map(lambda _: _submit_with_key(stack), range(TIMES)))
        assert len({job_id for [job_id] in answers}) == 1
        with pytest.raises(IdempotencyConflict):
            stack.submit(["steps=3"], idempotency_key="one")
        stack.settle()
        with pytest.raises(IdempotencyConflict):
            stack.submit(["steps=3"], idempotency_key="one")
        assert _submit_with_key(stack) == answers[0]
        assert len(stack.evidence().jobs) == 1


def _submit_with_key(stack: Stack) -> list[str]:
    return stack.submit(["steps=2"], idempotency_key="one")
