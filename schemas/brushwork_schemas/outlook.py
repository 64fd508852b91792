"""An outlook: the position of a waiting job, and estimates of its start and end."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

# Positions are counted up to this: the exact number does not matter to a job that far back.
MOST_COUNTED = 10_000


class Outlook(BaseModel):
    """Position and estimates of an open job.

    Estimates are computed from measured times. They are null if nothing was measured, or if no worker can run
    the job.
    """

    model_config = ConfigDict(frozen=True)

    position: int | None = Field(
        None,
        description="Number of jobs of its kind before it; 0 if it is next. Approximate if several tenants "
        f"wait, and counted up to {MOST_COUNTED}. Null once it runs.",
        examples=[3],
    )
    estimated_start_at: datetime | None = Field(None, description="For a running job, its start.")
    estimated_end_at: datetime | None = None
    num_calls: int = Field(
        0,
        ge=0,
        description="Extra calls of the model that its explanation takes.",
        examples=[101],
    )
    servable: bool = Field(description="Whether a ready worker serves its kind and model.")
    num_workers: int | None = Field(
        None, description="Ready workers of its kind, whether they have its model or not. Null if unknown."
    )
