"""What a worker's batches say: how long a job waited for its first one, and whose rows they had."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

# The module that is called at every step.
STEP = "unet"


@dataclass(frozen=True)
class Batch:
    """A batch that a worker has run.

    Args:
        began_s: When, in seconds of the machine's monotonic clock.
        took_s: How long.
        part: Name of the module.
        rows: Rows by the id of their job.
    """

    began_s: float
    took_s: float
    part: str
    rows: dict[str, int]


class Batches:
    """All batches of a worker up to now.

    Args:
        file: What `watched_worker` writes.
    """

    def __init__(self, file: Path) -> None:
        # The last line may be incomplete.
        lines = file.read_text().rpartition("\n")[0].splitlines() if file.exists() else []
        self._all = [Batch(**json.loads(line)) for line in lines]

    @property
    def steps(self) -> list[Batch]:
        """The batches of denoising steps."""
        return [each for each in self._all if each.part == STEP]

    def first_s(self, job_id: str) -> float | None:
        """Return when a job's first batch of any module began; None if it has not."""
        return next((each.began_s for each in self._all if job_id in each.rows), None)

    def steps_until(self, job_id: str, submitted_s: float) -> int | None:
        """Return how many steps others began between the submit of a job and its first batch.

        Args:
            job_id: The job.
            submitted_s: When the submit was answered.
        """
        first_s = self.first_s(job_id)
        if first_s is None:
            return None
        return sum(submitted_s < each.began_s < first_s for each in self.steps)

    def share(self, job_ids: Collection[str], from_s: float, until_s: float) -> float:
        """Return which part of the rows of the steps in some time belonged to jobs."""
        chosen = [each for each in self.steps if from_s <= each.began_s <= until_s]
        own = sum(rows for each in chosen for job_id, rows in each.rows.items() if job_id in job_ids)
        return own / max(1, sum(sum(each.rows.values()) for each in chosen))

    def num_steps(self, from_s: float, until_s: float) -> int:
        """Return how many steps began in some time."""
        return sum(from_s <= each.began_s <= until_s for each in self.steps)

    def median_step_s(self, from_s: float, until_s: float) -> float:
        """Return how long a step took, in the middle."""
        took = sorted(each.took_s for each in self.steps if from_s <= each.began_s <= until_s)
        return took[len(took) // 2] if took else 0.0
