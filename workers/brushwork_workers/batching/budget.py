"""How large a run of one module may be: rows and pixels, corrected by what memory allowed."""

RUNS_BEFORE_GROWTH = 32


class BatchBudget:
    """Bounds of one run of one module.

    Rows alone would not do: what fits of small pictures does not fit of large ones. So memory is counted in
    pixels, and what was learned from one size holds for the others: a run that did not fit halves the
    pixels, and many good runs at the bound raise them again, for the memory may have been somebody else's.

    Args:
        max_rows: Most rows of one run.
        max_pixels: Most pixels of one run, over all its rows.
    """

    def __init__(self, max_rows: int, max_pixels: int) -> None:
        self.max_rows = max_rows
        self.max_pixels = max_pixels
        self._most_pixels = max_pixels
        self._good_runs = 0

    def allows(self, rows: int, pixels: int) -> bool:
        """Whether a run of that size is within the bounds."""
        return rows <= self.max_rows and pixels <= self.max_pixels

    def failed(self, pixels: int) -> None:
        """A run of so many pixels did not fit into memory."""
        self.max_pixels = max(1, min(self.max_pixels, pixels) // 2)
        self._good_runs = 0

    def succeeded(self, pixels: int) -> None:
        """A run of so many pixels fitted; one that was over half the bound counts towards raising it."""
        if 2 * pixels <= self.max_pixels or self.max_pixels == self._most_pixels:
            return
        self._good_runs += 1
        if self._good_runs >= RUNS_BEFORE_GROWTH:
            self.max_pixels = min(self._most_pixels, self.max_pixels + max(1, self.max_pixels // 4))
            self._good_runs = 0
