"""How large a batch of one module may be: rows and pixels, adjusted to the memory that is available."""

BATCHES_BEFORE_GROWTH = 32


class BatchBudget:
    """The limits of one batch of one module.

    A limit on rows alone is not enough: a number of small pictures fits where the same number of large ones
    does not. So memory is counted in pixels, and what was learned from one size applies to the others. A
    batch that did not fit halves the pixels. Many successful batches near the limit raise it again, because
    another program may have used the memory.

    Args:
        max_rows: Most rows of one batch.
        max_pixels: Most pixels of one batch, over all its rows.
    """

    def __init__(self, max_rows: int, max_pixels: int) -> None:
        self.max_rows = max_rows
        self.max_pixels = max_pixels
        self._initial_max_pixels = max_pixels
        self._num_succeeded = 0

    def allows(self, rows: int, pixels: int) -> bool:
        """Whether a batch of that size is within the limits."""
        return rows <= self.max_rows and pixels <= self.max_pixels

    def failed(self, pixels: int) -> None:
        """Halve the limit, because a batch of so many pixels did not fit into memory."""
        self.max_pixels = max(1, min(self.max_pixels, pixels) // 2)
        self._num_succeeded = 0

    def succeeded(self, pixels: int) -> None:
        """Count a batch that fitted; if it had over half the limit, it counts towards raising the limit."""
        if 2 * pixels <= self.max_pixels or self.max_pixels == self._initial_max_pixels:
            return
        self._num_succeeded += 1
        if self._num_succeeded >= BATCHES_BEFORE_GROWTH:
            self.max_pixels = min(self._initial_max_pixels, self.max_pixels + max(1, self.max_pixels // 4))
            self._num_succeeded = 0
