"""The table of results that a reviewer has to decide about.

A held result is here and not in `results`, where programs of older versions look: to them, the job has
succeeded and has no result.
"""

from sqlalchemy import BigInteger, Column, ColumnElement, ForeignKey, Index, String, Table, literal_column

from brushwork_core.database.outbox_tables import CELERY_TASKS
from brushwork_core.database.tables import METADATA, Json

# States of a review.
HELD, RELEASED, REFUSED = "held", "released", "refused"
# Role of the files of a held result. Nobody may read a file for its sake.
HELD_ROLE = "held"
# In `celery_tasks.next_try_at`: the end of the job is told after the review. It is beyond all times, so that
# programs of older versions neither find the end due nor count it as missed.
AFTER_REVIEW_MS = 253_402_300_799_000

REVIEWS = Table(
    "reviews",
    METADATA,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    # Fence of the attempt that made the result.
    Column("fence", BigInteger, nullable=False),
    Column("state", String(8), nullable=False),
    # Name of the policy that holds the result, and what it says to the caller.
    Column("policy", String(64), nullable=False),
    Column("reason", String(500), nullable=False),
    # Null once the review has ended.
    Column("result", Json),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
)


def is_held() -> ColumnElement[bool]:
    """Condition: the review has not ended. Written as in the index of held results."""
    return REVIEWS.c.state == literal_column(f"'{HELD}'", String())


Index(
    "ix_reviews_held",
    REVIEWS.c.created_at,
    REVIEWS.c.job_id,
    sqlite_where=is_held(),
    postgresql_where=is_held(),
)


def is_told_later() -> ColumnElement[bool]:
    """Condition: Celery programs are told of the end of the job after its review."""
    return CELERY_TASKS.c.next_try_at == AFTER_REVIEW_MS
