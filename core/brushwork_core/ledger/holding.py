"""The writes with which a job ends and its result is held."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, update

from brushwork_core.database.database import now_ms
from brushwork_core.database.outbox_tables import CELERY_TASKS, is_task_open
from brushwork_core.database.review_table import AFTER_REVIEW_MS, HELD, REVIEWS
from brushwork_core.ledger.records import Completion


def hold(connection: Connection, completions: Sequence[Completion]) -> None:
    """Store results where only reviewers read them, and put off what Celery programs are told.

    Args:
        connection: Transaction that ends the jobs.
        completions: Ends of jobs whose results are held.
    """
    rows = [
        {
            "job_id": each.job_id,
            "fence": each.fence,
            "state": HELD,
            "policy": each.hold.policy,
            "reason": each.hold.reason,
            "result": each.result,
        }
        for each in completions
        if each.hold is not None
    ]
    connection.execute(insert(REVIEWS).values(created_at=now_ms()), rows)
    ids = [row["job_id"] for row in rows]
    later = update(CELERY_TASKS).where(CELERY_TASKS.c.job_id.in_(ids), is_task_open())
    connection.execute(later.values(next_try_at=AFTER_REVIEW_MS))
