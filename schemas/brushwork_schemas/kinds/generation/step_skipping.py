"""Which calls of the denoiser a job computes, and which it extrapolates from earlier ones."""

_FIRST = 2
"""The first calls are computed: they decide the layout, and a line needs two points."""
_LAST = 1
"""The last calls are computed: nothing corrects their errors."""
_MOST_SKIPPED = 2 / 3
"""Share of the calls between them that is skipped at most: two of three."""


def computed_calls(num_calls: int, acceleration: float) -> tuple[bool, ...]:
    """Return for each call of the denoiser whether it is computed.

    The skipped calls are spread evenly, at most two in a row. They depend on nothing but the arguments, so a
    job skips the same calls on every machine and beside all other jobs, and its cost is known beforehand.

    Args:
        num_calls: Calls of the denoiser without acceleration, one for each timestep.
        acceleration: 0 (none are skipped) to 1 (two of three are).
    """
    between = max(0, num_calls - _FIRST - _LAST)
    skipped = int(acceleration * _MOST_SKIPPED * between + 1e-9)
    is_computed = [(index + 1) * skipped // between == index * skipped // between for index in range(between)]
    return (*[True] * min(_FIRST, num_calls), *is_computed, *[True] * max(0, min(_LAST, num_calls - _FIRST)))


def num_computed(num_calls: int, acceleration: float) -> int:
    """Return how many of the calls are computed.

    Args:
        num_calls: Calls of the denoiser without acceleration.
        acceleration: 0 to 1.
    """
    return sum(computed_calls(num_calls, acceleration))
