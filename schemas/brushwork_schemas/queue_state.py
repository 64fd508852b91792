"""The state of one queue."""

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.outlook import MOST_COUNTED


class QueueState(BaseModel):
    """The queue of one kind."""

    model_config = ConfigDict(frozen=True)

    kind: str
    in_redis: int = Field(description="Queued jobs whose message is sent and not taken yet; they go first.")
    in_ledger: int = Field(
        description="Queued jobs that have no message yet; of each tenant at most "
        f"{MOST_COUNTED:,} are counted."
    )
    running: int = Field(description="Jobs that run now.")
    oldest_s: float | None = Field(
        None, description="How long the oldest waits of those whose turn is next; null where nobody waits."
    )
    workers: int = Field(description="Workers of this kind that are ready and were heard of lately.")
