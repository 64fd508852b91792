"""A job's reservation of a model, and the load that is planned or on its way."""

from collections.abc import Callable
from dataclasses import dataclass

from brushwork_schemas.catalogue import Model

from brushwork_workers.model_cache.load_queue import Waiter
from brushwork_workers.model_cache.residency import Load

WhileWaiting = Callable[[bool], None]
"""Called about twice a second while a job waits. The argument says whether what it waits for makes progress.

An exception that it raises ends the wait.
"""


@dataclass(frozen=True)
class Loading:
    """A load that is planned or on its way.

    Args:
        load: Which model, and which models are removed for it.
        until_s: Until this time the load counts as making progress.
    """

    load: Load
    until_s: float


@dataclass(eq=False)
class Reservation:
    """A job's reservation of a model.

    Args:
        model: The model.
        waiter: The job's place in the queue, while it waits.
        load: The load of the model, if it is this job's turn to start it.
        is_taken: Whether the model is on the device and counts as used by this job.
    """

    model: Model
    waiter: Waiter | None = None
    load: Load | None = None
    is_taken: bool = False
