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
    workers: int = Field(
        description="Ready workers with a recent heartbeat that have at least one model of this kind."
    )
    workers_without_model: int = Field(
        0, description="Ready workers of this kind that have none of its models. Their jobs fail."
    )
    models_on_no_worker: tuple[str, ...] = Field(
        (), description="Models of the catalogue for this kind that no ready worker has."
    )
