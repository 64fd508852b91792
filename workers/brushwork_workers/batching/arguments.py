"""Stacking the arguments of several calls into one, and slicing the answer.

One rule for every model: flatten the arguments; the first tensor with an axis tells the call's batch. A
tensor whose first axis is as long is stacked, a tensor without axes (a timestep) is repeated for each row,
and all else must be equal and becomes part of the key.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor
from torch.utils import _pytree as pytree

# A VAE answers with a distribution; it is as sliceable as the tensor it was made from.
pytree.register_pytree_node(
    DiagonalGaussianDistribution,
    lambda value: ([value.parameters], value.deterministic),
    lambda leaves, deterministic: DiagonalGaussianDistribution(next(iter(leaves)), deterministic),
)


class NotSliceable(Exception):
    """An answer has a part that can't be cut into the callers' shares."""


@dataclass(frozen=True)
class Call:
    """One call, taken apart.

    Args:
        function: A module, or a bound method of one.
        leaves: Its arguments, flattened.
        spec: How they fit together.
        rows: Length of the batch axis; 0 for a call that can't share a run.
        key: Calls of equal keys may be stacked.
    """

    function: Callable[..., Any]
    leaves: tuple[Any, ...]
    spec: Any
    rows: int
    key: Hashable

    @classmethod
    def of(cls, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> "Call":
        """Take a call apart."""
        leaves, spec = pytree.tree_flatten((args, kwargs))
        rows = next((len(leaf) for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim), 0)
        signature = tuple(_signature(leaf, rows) for leaf in leaves)
        return cls(function, tuple(leaves), spec, rows, (_identity(function), spec, signature))

    def run(self) -> Any:
        """The answer to this call alone."""
        args, kwargs = pytree.tree_unflatten(list(self.leaves), self.spec)
        return self.function(*args, **kwargs)


def run_together(calls: Sequence[Call]) -> list[Any]:
    """The answers to calls of one key, from one run.

    Raises:
        NotSliceable: The answer is not one row for each row of the arguments.
    """
    if len(calls) == 1:
        return [calls[0].run()]
    columns = zip(*(call.leaves for call in calls), strict=True)
    rows = [call.rows for call in calls]
    stacked = [_stacked(column, rows) for column in columns]
    args, kwargs = pytree.tree_unflatten(stacked, calls[0].spec)
    return _sliced(calls[0].function(*args, **kwargs), rows)


def _identity(function: Callable[..., Any]) -> Hashable:
    owner = getattr(function, "__self__", function)
    return id(owner), getattr(function, "__name__", "")


def _signature(leaf: Any, rows: int) -> Hashable:
    """What must be equal in two leaves so that they can be stacked."""
    if not isinstance(leaf, Tensor):
        return _static(leaf)
    if leaf.ndim == 0:
        return "scalar", leaf.dtype, leaf.device
    if len(leaf) == rows:
        return "rows", leaf.shape[1:], leaf.dtype, leaf.device
    content = leaf.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
    return "same", leaf.shape, leaf.dtype, leaf.device, content


def _static(leaf: Any) -> Hashable:
    try:
        hash(leaf)
    except TypeError:
        return type(leaf), id(leaf)
    return type(leaf), leaf


def _stacked(column: tuple[Any, ...], rows: list[int]) -> Any:
    first = column[0]
    if not isinstance(first, Tensor):
        return first
    if first.ndim == 0:
        return _scalar(column, rows)
    if len(first) != rows[0]:
        return first
    return torch.cat(column)


def _scalar(column: tuple[Tensor, ...], rows: list[int]) -> Tensor:
    if all(bool(value == column[0]) for value in column[1:]):
        return column[0]
    return torch.cat([value.expand(count) for value, count in zip(column, rows, strict=True)])


def _sliced(answer: Any, rows: list[int]) -> list[Any]:
    leaves, spec = pytree.tree_flatten(answer)
    shares = [_shares(leaf, rows) for leaf in leaves]
    return [pytree.tree_unflatten(list(share), spec) for share in zip(*shares, strict=True)]


def _shares(leaf: Any, rows: list[int]) -> Sequence[Any]:
    if leaf is None or isinstance(leaf, bool | int | float | str):
        return [leaf] * len(rows)
    if isinstance(leaf, Tensor) and leaf.ndim and len(leaf) == sum(rows):
        return torch.split(leaf, rows)
    raise NotSliceable(f"a {type(leaf).__name__} among the answers has not one row for each row asked")
