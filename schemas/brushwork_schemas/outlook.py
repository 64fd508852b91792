"""An outlook: the position of a waiting job, and estimates of its start and end."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

# Positions are counted no further: the exact number does not matter to a job that far back.
MOST_COUNTED = 10_000


class Outlook(BaseModel):
    """What lies ahead of a job.

    Estimates come from measured times, and are null where nothing was measured, and where no worker is there
    to run it.
    """

    model_config = ConfigDict(frozen=True)

    position: int | None = Field(
        None,
        description="Jobs of its kind that go before it, 0: it is next; about, where several tenants wait, "
        f"and counted no further than {MOST_COUNTED}. Null once it runs.",
        examples=[3],
    )
    estimated_start_at: datetime | None = Field(None, description="Of a running job, when it started.")
    estimated_end_at: datetime | None = None
    servable: bool = Field(description="Whether a worker is there and ready that serves its kind and model.")
