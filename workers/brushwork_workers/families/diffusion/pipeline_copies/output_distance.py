"""How far two outputs are apart: of a pipeline, or of a module."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils import _pytree as pytree

# Of the range of values. Rounding on a device may differ from run to run.
TOLERANCE = 1e-3
# A level of an 8-bit picture is larger than the tolerance, but may be rounded either way.
_LEVELS = 1


def distance(one: Any, other: Any) -> float:
    """Return the largest difference of two outputs of a pipeline, of the range of the values."""
    first, second = (_arrays(pytree.tree_leaves(each)) for each in (one, other))
    if len(first) != len(second) or any(a.shape != b.shape for a, b in zip(first, second, strict=True)):
        return float("inf")
    return max((_distance(a, b) for a, b in zip(first, second, strict=True)), default=0.0)


def _arrays(leaves: list[Any]) -> list[np.ndarray]:
    return [array for leaf in leaves if (array := _array(leaf)) is not None and array.size]


def _array(leaf: Any) -> np.ndarray | None:
    if isinstance(leaf, Image.Image):
        return np.asarray(leaf)
    if isinstance(leaf, Tensor):
        return leaf.detach().to("cpu", torch.float32).numpy()
    is_numeric = isinstance(leaf, np.ndarray) and np.issubdtype(leaf.dtype, np.number)
    return leaf if is_numeric else None


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    if one.dtype == np.uint8:
        levels = int(np.abs(one.astype(int) - other.astype(int)).max())
        return levels / 255 if levels > _LEVELS else 0.0
    first, second = one.astype(np.float64), other.astype(np.float64)
    if not np.array_equal(np.isnan(first), np.isnan(second)):
        return float("inf")
    span = max(1.0, float(np.nanmax(np.abs(first), initial=0.0)))
    return float(np.nanmax(np.abs(first - second), initial=0.0)) / span
