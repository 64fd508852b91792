"""Say in an error which of several requests it is about."""

from collections.abc import Iterator
from contextlib import contextmanager

from brushwork_schemas.errors import BrushworkError


@contextmanager
def located(index: int, count: int) -> Iterator[None]:
    """Add the index of a request to any error raised inside the `with` block.

    Args:
        index: Index of the request, from 0.
        count: Number of requests. The message is changed only if there is more than one.
    """
    try:
        yield
    except BrushworkError as error:
        error.index = index
        if count > 1:
            error.message = f"requests[{index}]: {error.message}"
        raise
