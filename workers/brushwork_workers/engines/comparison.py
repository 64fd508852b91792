"""Compares what an engine computes with what torch computes, on a documented input.

The input is the arguments of the model's warm-up. Standard normal noise (seed 0) is added to pictures,
latents and embeddings, which are the floating-point tensors with three axes or more: a black picture alone
would hide most errors.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from brushwork_workers.engines.module_arguments import ModuleArguments

TOLERANCES = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 5e-2, "int8": 2e-1}
"""The largest difference that is accepted, by the number format of the engine; see `difference`."""


def difference(expected: Sequence[Tensor], found: Sequence[Tensor], precision: str) -> float:
    """Return how much an engine's answer differs from torch's.

    Args:
        expected: What torch returned.
        found: What the engine returned.
        precision: Number format of the engine. In float32 the result is the largest absolute difference,
            divided by the largest absolute value of torch's answer if that is larger than 1. In other formats
            it is the root of the mean square of the differences, divided by that of torch's answer.

    Returns:
        The largest difference of all tensors; infinity if a shape differs or a value is not finite in one of
        the answers only.
    """
    if len(expected) != len(found):
        return math.inf
    return max((_difference(*pair, precision) for pair in zip(expected, found, strict=True)), default=0.0)


def noised(arguments: ModuleArguments) -> ModuleArguments:
    """Return arguments with the noise of the documented input."""
    generator = torch.Generator().manual_seed(0)
    return arguments.with_tensors(
        [
            tensor + torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
            if tensor.is_floating_point() and tensor.ndim > 2
            else tensor
            for tensor in arguments.tensors
        ]
    )


def _difference(expected: Tensor, found: Tensor, precision: str) -> float:
    if expected.shape != found.shape:
        return math.inf
    if expected.numel() == 0:
        return 0.0
    wanted, given = expected.double(), found.double()
    # Infinities of a mask are equal in both; what is not a number must be so in both.
    same = (wanted == given) | (wanted.isnan() & given.isnan())
    distance = torch.where(same, 0.0, (wanted - given).abs())
    if not bool(distance.isfinite().all()):
        return math.inf
    scale = torch.where(wanted.isfinite(), wanted, 0.0).abs()
    if precision == "float32":
        return float(distance.max()) / max(1.0, float(scale.max()))
    norm = float(scale.square().mean().sqrt())
    return float(distance.square().mean().sqrt()) / norm if norm else float(distance.max())
