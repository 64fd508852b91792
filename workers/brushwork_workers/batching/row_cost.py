"""What one more call of a batch costs, measured while a worker runs.

A batch of a small network costs little more than one of its calls. A batch of a large network, on a device
that one call keeps busy, costs nearly the sum of its calls: then sharing gains nothing, and every job ends as
late as the last one. Which of the two it is depends on the model, the size of the pictures and the device, so
it is measured for each.
"""

import statistics
from collections import defaultdict, deque

# A duration says nothing about now if it is older: other programs come and go on a machine.
FRESH_S = 60.0
# With fewer durations of one size, a single slow one would decide.
LEAST_DURATIONS = 3
MOST_DURATIONS = 9


class RowCost:
    """Durations of the batches of one key, by their rows. Has no lock and reads no clock."""

    def __init__(self) -> None:
        self._durations: defaultdict[int, deque[tuple[float, float]]] = defaultdict(
            lambda: deque(maxlen=MOST_DURATIONS)
        )

    def observe(self, rows: int, took_s: float, now_s: float) -> None:
        """Record the duration of a batch.

        Args:
            rows: Its rows.
            took_s: Its duration in seconds.
            now_s: When it ended, in seconds of a monotonic clock.
        """
        self._durations[rows].append((now_s, took_s))
        for size in [size for size, seen in self._durations.items() if seen[-1][0] < now_s - FRESH_S]:
            del self._durations[size]

    def is_known(self, rows: int, now_s: float) -> bool:
        """Whether the duration of a batch of so many rows is known."""
        return rows in self._medians(now_s)

    def one_more(self, rows: int, now_s: float) -> tuple[float, float] | None:
        """Return the seconds of a call alone, and what one more call adds to a batch, as a share of these.

        A share of 0: one more call costs nothing. 1: it costs as much as a batch of its own. None: not known,
        because there are too few durations of one call, or of larger batches.

        Args:
            rows: The rows of one call.
            now_s: The time.
        """
        medians = self._medians(now_s)
        largest = max(medians, default=rows)
        if largest <= rows or not medians.get(rows):
            return None
        added_s = (medians[largest] - medians[rows]) / (largest - rows) * rows
        return medians[rows], max(0.0, added_s / medians[rows])

    def _medians(self, now_s: float) -> dict[int, float]:
        fresh = {
            rows: [took_s for at_s, took_s in seen if at_s >= now_s - FRESH_S]
            for rows, seen in self._durations.items()
        }
        return {
            rows: statistics.median(durations)
            for rows, durations in fresh.items()
            if len(durations) >= LEAST_DURATIONS
        }
