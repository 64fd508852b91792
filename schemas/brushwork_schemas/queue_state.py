"""The state of one queue."""

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.outlook import MOST_COUNTED


class QueueState(BaseModel):
    """The queue of one kind."""

    model_config = ConfigDict(frozen=True)

    kind: str
    in_redis: int = Field(description="Queued jobs whose message is in Redis. They are first.")
    in_ledger: int = Field(
        description=f"Queued jobs without a message. At most {MOST_COUNTED:,} per tenant are counted."
    )
    running: int = Field(description="Running jobs.")
    oldest_s: float | None = Field(
        None,
        description="Seconds that the oldest job waits, of the jobs whose turn is next; null if none waits.",
    )
    workers: int = Field(description="Ready workers of this kind with a recent heartbeat.")
