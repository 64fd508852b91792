"""Stacks the arguments of several calls into one call, and slices its answer.

The same rule applies to every model. The arguments are flattened; the first tensor with an axis gives the
number of rows of the call. A tensor with as many rows is stacked, a tensor without axes (a timestep) is
repeated for each row, and everything else must be equal and becomes part of the key. A constant whose first
axis happens to have the same length would be stacked, too; none of the diffusers and transformers pipelines
that were tried has one.
"""

import hashlib
import itertools
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from brushwork_schemas.wording.phrase import said
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Generator, Tensor
from torch.utils import _pytree as pytree
from torch.utils.weak import WeakIdKeyDictionary

from brushwork_workers.device.accelerator import Event, is_accelerator, recorded_event

# A VAE returns a distribution; it can be sliced like the tensor that it was made from.
pytree.register_pytree_node(
    DiagonalGaussianDistribution,
    lambda value: ([value.parameters], value.deterministic),
    lambda leaves, deterministic: DiagonalGaussianDistribution(next(iter(leaves)), deterministic),
)


class NotShareable(Exception):
    """Calls of this key cannot share a batch; each has to be run alone."""


@dataclass(frozen=True)
class ModuleCall:
    """One call with its flattened arguments.

    Args:
        function: A module, or a bound method of one.
        leaves: The flattened arguments.
        spec: The structure of the arguments.
        rows: Length of the batch axis; 0 for a call that cannot share a batch.
        module: Identity of the called module and method.
        key: Calls of equal keys may be stacked.
    """

    function: Callable[..., Any]
    leaves: tuple[Any, ...]
    spec: Any
    rows: int
    module: Hashable
    key: Hashable

    @classmethod
    def of(cls, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> "ModuleCall":
        """Flatten the arguments of a call."""
        leaves, spec = pytree.tree_flatten((args, kwargs))
        rows = next((len(leaf) for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim), 0)
        module = _identity(function)
        signature = tuple(_signature(leaf, rows) for leaf in leaves)
        return cls(function, tuple(leaves), spec, rows, module, (module, spec, signature))

    def run(self) -> Any:
        """Run this call alone and return its answer."""
        args, kwargs = pytree.tree_unflatten(list(self.leaves), self.spec)
        return self.function(*args, **kwargs)


def run_together(calls: Sequence[ModuleCall]) -> list[Any]:
    """Run calls of one key as one call, and return the answer of each.

    Raises:
        NotShareable: The answer does not have one row per row of the arguments, or the call drew random
            numbers from a generator, so that each caller's own generator would have given other numbers.
    """
    if len(calls) == 1:
        return [calls[0].run()]
    columns = zip(*(call.leaves for call in calls), strict=True)
    rows = [call.rows for call in calls]
    stacked = [_stacked(column, rows) for column in columns]
    args, kwargs = pytree.tree_unflatten(stacked, calls[0].spec)
    with _without_draws([leaf for leaf in stacked if isinstance(leaf, Generator)]):
        answer = calls[0].function(*args, **kwargs)
    return _sliced(answer, rows)


def completion_event(answers: Sequence[Any]) -> Event | None:
    """Return an event that fires when the device has computed these answers; None if they are ready."""
    leaves = pytree.tree_leaves(list(answers))
    device = next((leaf.device for leaf in leaves if isinstance(leaf, Tensor)), None)
    return recorded_event(device) if device is not None and is_accelerator(device) else None


def owner_of(function: Callable[..., Any]) -> Any:
    """Return the module that `function` is, or that it is a method of."""
    return getattr(function, "__self__", function)


# A model may be unloaded and another be loaded at the same address. An `id` alone would give it what was
# learned about the first one, even its adapters.
_NUMBERS: WeakIdKeyDictionary = WeakIdKeyDictionary()
_NEXT = itertools.count()
_NUMBERING = threading.Lock()


def _identity(function: Callable[..., Any]) -> Hashable:
    return number_of(owner_of(function)), getattr(function, "__name__", "")


def number_of(owner: Any) -> int:
    """Return a number that no other object ever had; the negative `id` if it cannot be referenced weakly."""
    try:
        number: int | None = _NUMBERS.get(owner)
        if number is None:
            with _NUMBERING:
                number = _NUMBERS.setdefault(owner, next(_NEXT))
        return number
    except TypeError:
        return -id(owner)


def _signature(leaf: Any, rows: int) -> Hashable:
    """Return what must be equal in two leaves so that they can be stacked."""
    if isinstance(leaf, Generator):
        return "generator", leaf.device
    if not isinstance(leaf, Tensor):
        return _static(leaf)
    if leaf.ndim == 0:
        return "scalar", leaf.dtype, leaf.device
    if len(leaf) == rows:
        return "rows", leaf.shape[1:], leaf.dtype, leaf.device
    return "same", leaf.shape, leaf.dtype, leaf.device, _digest(leaf)


def _static(leaf: Any) -> Hashable:
    try:
        hash(leaf)
    except TypeError:
        return type(leaf), id(leaf)
    return type(leaf), leaf


# A job passes the same constant at every step, and reading it from a GPU means waiting for the GPU.
_DIGESTS: WeakIdKeyDictionary = WeakIdKeyDictionary()


def _digest(constant: Tensor) -> Hashable:
    # An inference tensor has no version that shows a change. It counts as equal only to itself.
    if constant.is_inference():
        return id(constant)
    known: tuple[int, bytes] | None = _DIGESTS.get(constant)
    if known is None or known[0] != constant._version:
        content = constant.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
        known = constant._version, hashlib.blake2b(content).digest()
        _DIGESTS[constant] = known
    return known[1]


def _stacked(column: tuple[Any, ...], rows: list[int]) -> Any:
    first = column[0]
    if not isinstance(first, Tensor):
        return first
    if first.ndim == 0:
        # The values are not compared, because on a GPU that would mean waiting for it.
        return torch.cat([value.expand(count) for value, count in zip(column, rows, strict=True)])
    if len(first) != rows[0]:
        return first
    return torch.cat(column)


@contextmanager
def _without_draws(generators: Sequence[Generator]) -> Iterator[None]:
    """Check that the block draws from none of the generators; many functions take one and never use it."""
    before = [generator.get_state() for generator in generators]
    try:
        yield
    finally:
        has_drawn = False
        for generator, state in zip(generators, before, strict=True):
            if not torch.equal(generator.get_state(), state):
                generator.set_state(state)
                has_drawn = True
    if has_drawn:
        raise NotShareable("it draws random numbers")


def _sliced(answer: Any, rows: list[int]) -> list[Any]:
    leaves, spec = pytree.tree_flatten(answer)
    shares = [_shares(leaf, rows) for leaf in leaves]
    # By index, so that an answer without leaves is also given to each call.
    return [pytree.tree_unflatten([share[index] for share in shares], spec) for index in range(len(rows))]


def _shares(leaf: Any, rows: list[int]) -> Sequence[Any]:
    # A number is not repeated: it may be computed over all rows, also those of other calls.
    if leaf is None or isinstance(leaf, str):
        return [leaf] * len(rows)
    if isinstance(leaf, Tensor) and leaf.ndim and len(leaf) == sum(rows):
        return torch.split(leaf, rows)
    raise NotShareable(
        said("a {type} in the answer has not one row per row of the arguments", type=type(leaf).__name__)
    )
