"""Which of the jobs that a worker has claimed run together in one thread."""

import math
from collections.abc import Callable, Hashable, Sequence

from brushwork_core.ledger import Claim
from brushwork_schemas.errors import OutOfMemory

from brushwork_workers.device.failures import coded_error
from brushwork_workers.interface import StepwiseHandler
from brushwork_workers.model_cache.loaded_model import LoadedModel

# More save little: what a group shares is a tenth of what each job costs. They would end later.
MOST_TOGETHER = 16


class JobGroups:
    """Divides claimed jobs into groups. Jobs of a group have the same kind, model and priority.

    A job runs alone if it has to be alone, if it needs identical bytes, if its model is not loaded, or if the
    handler does more than one call of its model (see `StepwiseHandler`).

    Args:
        loaded: Returns a model that is loaded.
        max_rows: Most rows of one batch.
        max_pixels: Most pixels of one batch.
    """

    def __init__(
        self,
        loaded: Callable[[str], LoadedModel | None],
        *,
        max_rows: int = MOST_TOGETHER,
        max_pixels: float = math.inf,
    ) -> None:
        self._loaded = loaded
        self._max_rows = min(max_rows, MOST_TOGETHER)
        self._max_pixels = max_pixels
        # Fewer where the memory did not suffice, by the name of the model.
        self._fitting: dict[str, int] = {}

    def divided(self, claims: Sequence[Claim]) -> list[tuple[Claim, ...]]:
        """Return the groups, each with at least one job, in the order of their first jobs."""
        groups: list[list[Claim]] = []
        open_groups: dict[Hashable, list[Claim]] = {}
        for claim in claims:
            key = (claim.kind, claim.model, claim.priority)
            most = 1 if claim.alone or claim.request.get("deterministic") else self._most_of(claim)
            group = open_groups.get(key, [])
            if most == 1 or not group or len(group) >= most:
                group = []
                groups.append(group)
                if most > 1:
                    open_groups[key] = group
            group.append(claim)
        return [tuple(group) for group in groups]

    def note_failure(self, claims: Sequence[Claim], error: BaseException) -> None:
        """Make the next groups smaller, if the common call of this one had not enough memory.

        Args:
            claims: The group.
            error: What the call raised.
        """
        if isinstance(coded_error(error), OutOfMemory):
            self._fitting[claims[0].model] = max(1, len(claims) // 2)

    def _most_of(self, claim: Claim) -> int:
        loaded = self._loaded(claim.model)
        handler = None if loaded is None else loaded.handlers.get(claim.kind)
        if loaded is None or not isinstance(handler, StepwiseHandler):
            return 1
        fitting = self._fitting.get(claim.model, self._max_rows)
        by_pixels = int(min(self._max_rows, self._max_pixels / handler.row_pixels))
        return max(1, min(fitting, by_pixels, self._max_rows, loaded.model.max_batch or self._max_rows))
