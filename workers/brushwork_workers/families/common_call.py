"""Call a network once for the pictures of several jobs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from brushwork_workers.interface import JobContext, StepwiseHandler


def called_together(call: Callable[[Tensor], Tensor], rows: Sequence[Tensor]) -> list[Tensor]:
    """Return the answer of a network for each job: [...], float32 on the CPU.

    Args:
        call: Calls the network.
        rows: The input of each job: [1, ...].
    """
    return called_by_name(
        lambda pixels: call(pixels), [{"pixels": row} for row in rows], lambda answer: answer
    )


def called_by_name(
    call: Callable[..., Any], inputs: Sequence[Mapping[str, Tensor]], answer_of: Callable[[Any], Tensor]
) -> list[Tensor]:
    """Return the answer of a network for each job: [...], float32 on the CPU.

    Args:
        call: Calls the network.
        inputs: The inputs of each job by name, each [1, ...]. Jobs whose inputs have different shapes have
            calls of their own.
        answer_of: Returns the tensor of what `call` returned: [jobs, ...].
    """
    if len({tuple((name, row.shape) for name, row in each.items()) for each in inputs}) > 1:
        return [called_by_name(call, [each], answer_of)[0] for each in inputs]
    first = inputs[0]
    if len(inputs) > 1:
        first = {name: torch.cat([each[name] for each in inputs]) for name in first}
    return list(answer_of(call(**first)).float().cpu())


def performed(handler: StepwiseHandler, request: Any, context: JobContext) -> dict[str, Any]:
    """Perform one job in the steps of its handler. See `Handler.perform`."""
    answer = handler.answers([handler.prepared(request, context)])[0]
    return handler.result(request, context, answer)
