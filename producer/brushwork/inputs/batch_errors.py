"""Say in an error which of several requests it is about."""

from collections.abc import Iterator
from contextlib import contextmanager

from brushwork_schemas.errors import BrushworkError, RequestError
from brushwork_schemas.wording.phrase import said


@contextmanager
def numbered(index: int, count: int) -> Iterator[None]:
    """Set the index of any error raised inside the `with` block.

    Args:
        index: Index of the request, from 0.
        count: Number of requests.
    """
    try:
        yield
    except RequestError as error:
        error.index = index
        if count > 1:
            error.errors = [each.model_copy(update={"index": index}) for each in error.errors]
        raise
    except BrushworkError as error:
        error.index = index
        raise


@contextmanager
def located(index: int, count: int) -> Iterator[None]:
    """Add the index of a request to any error raised inside the `with` block.

    Args:
        index: Index of the request, from 0.
        count: Number of requests. The message is changed only if there is more than one.
    """
    try:
        with numbered(index, count):
            yield
    except BrushworkError as error:
        if count > 1:
            error.message = said("requests[{index}]: {message}", index=index, message=error.message)
        raise
