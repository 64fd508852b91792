"""Errors with a code and a fault, made from what torch, Python or a library raised."""

import torch
from brushwork_schemas.errors import BrushworkError, DeviceFailed, MachineError, OutOfMemory
from brushwork_schemas.wording.phrase import said


def coded_error(error: BaseException) -> BrushworkError:
    """Convert any exception into a `BrushworkError`; one that is already one is returned unchanged.

    The message of a foreign exception is left out: it may quote the request.
    """
    if isinstance(error, BrushworkError):
        return error
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return OutOfMemory(
            "The worker does not have enough memory for this job.",
            hint="Request fewer or smaller pictures, or use a device with more memory.",
        )
    if isinstance(error, torch.AcceleratorError):
        return DeviceFailed(
            "The worker's device failed.", hint="Search the worker's log for this job id; it has the reason."
        )
    if isinstance(error, OSError):
        return MachineError(
            said("{type} in the worker.", type=type(error).__name__),
            hint="Search the worker's log for this job id; it has the reason.",
        )
    return BrushworkError(
        said("{type} in the worker.", type=type(error).__name__),
        hint="Search the worker's log for this job id; it has the traceback.",
    )
