"""When an event is tried again: the pauses that Standard Webhooks recommends, over a day and a half."""

import random

# 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 14 h, in units of the first.
MULTIPLES = (1, 60, 360, 1440, 3600, 7200, 10_080)
# What failed together is not to come again together.
SPREAD = 0.2
LONGEST_WISH_S = 24 * 3600.0


class Schedule:
    """Decides after how long an event is tried again.

    Args:
        first_pause_s: Before the second try.
    """

    def __init__(self, first_pause_s: float) -> None:
        self._first_pause_s = first_pause_s

    def pause_s(self, attempts: int, wish_s: float | None = None) -> float | None:
        """Seconds until the next try, or None if there is none.

        Args:
            attempts: Tries so far.
            wish_s: How long the receiver wants to be left alone; it can lengthen a pause, up to a day.
        """
        if attempts > len(MULTIPLES):
            return None
        pause_s = self._first_pause_s * MULTIPLES[max(attempts, 1) - 1]
        # Not for secrecy.
        pause_s *= 1 + SPREAD * random.random()  # noqa: S311
        return max(pause_s, min(wish_s or 0.0, LONGEST_WISH_S))
