"""The pauses between attempts: those of Standard Webhooks, about a day and a half in total."""

import random

# 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 14 h, in units of the first.
MULTIPLES = (1, 60, 360, 1440, 3600, 7200, 10_080)
# Random, so that events that failed together are not retried together.
SPREAD = 0.2
LONGEST_RETRY_AFTER_S = 24 * 3600.0


class Schedule:
    """Decides when an event is tried again.

    Args:
        first_pause_s: Pause before the second attempt, in seconds.
    """

    def __init__(self, first_pause_s: float) -> None:
        self._first_pause_s = first_pause_s

    def pause_s(self, attempts: int, retry_after_s: float | None = None) -> float | None:
        """Return the seconds until the next attempt; None after the last one.

        Args:
            attempts: Number of attempts so far.
            retry_after_s: Pause that the receiver asks for, in seconds. It can make a pause longer, up to a
                day.
        """
        if attempts > len(MULTIPLES):
            return None
        pause_s = self._first_pause_s * MULTIPLES[max(attempts, 1) - 1]
        # Not used for security.
        pause_s *= 1 + SPREAD * random.random()  # noqa: S311
        return max(pause_s, min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S))
