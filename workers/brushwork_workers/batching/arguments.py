"""Stacking the arguments of several calls into one, and slicing the answer.

One rule for every model: flatten the arguments; the first tensor with an axis tells the call's batch. A
tensor whose first axis is as long is stacked, a tensor without axes (a timestep) is repeated for each row,
and all else must be equal and becomes part of the key. A constant whose first axis happens to be as long as
the batch would be stacked too; no pipeline of diffusers or transformers that was tried has one.
"""

import hashlib
import itertools
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Generator, Tensor
from torch.utils import _pytree as pytree
from torch.utils.weak import WeakIdKeyDictionary

# A VAE answers with a distribution; it is as sliceable as the tensor it was made from.
pytree.register_pytree_node(
    DiagonalGaussianDistribution,
    lambda value: ([value.parameters], value.deterministic),
    lambda leaves, deterministic: DiagonalGaussianDistribution(next(iter(leaves)), deterministic),
)


class NotShareable(Exception):
    """Calls of this key can't share a run; each has to be run alone."""


@dataclass(frozen=True)
class ModuleCall:
    """One call, taken apart.

    Args:
        function: A module, or a bound method of one.
        leaves: Its arguments, flattened.
        spec: How they fit together.
        rows: Length of the batch axis; 0 for a call that can't share a run.
        module: What is called.
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
        """Take a call apart."""
        leaves, spec = pytree.tree_flatten((args, kwargs))
        rows = next((len(leaf) for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim), 0)
        module = _identity(function)
        signature = tuple(_signature(leaf, rows) for leaf in leaves)
        return cls(function, tuple(leaves), spec, rows, module, (module, spec, signature))

    def run(self) -> Any:
        """The answer to this call alone."""
        args, kwargs = pytree.tree_unflatten(list(self.leaves), self.spec)
        return self.function(*args, **kwargs)


def run_together(calls: Sequence[ModuleCall]) -> list[Any]:
    """The answers to calls of one key, from one run.

    Raises:
        NotShareable: The answer is not one row for each row of the arguments, or the run drew from a
            generator, so that each caller's own would have given something else.
    """
    if len(calls) == 1:
        return [calls[0].run()]
    columns = zip(*(call.leaves for call in calls), strict=True)
    rows = [call.rows for call in calls]
    stacked = [_stacked(column, rows) for column in columns]
    args, kwargs = pytree.tree_unflatten(stacked, calls[0].spec)
    with _undrawn([leaf for leaf in stacked if isinstance(leaf, Generator)]):
        answer = calls[0].function(*args, **kwargs)
    return _sliced(answer, rows)


def launched(answers: Sequence[Any]) -> torch.cuda.Event | None:
    """What tells when the device has computed these answers; None where they are there already."""
    leaves = pytree.tree_leaves(list(answers))
    device = next((leaf.device for leaf in leaves if isinstance(leaf, Tensor)), None)
    if device is None or device.type != "cuda":
        return None
    # Blocking: a thread that spins would take a core from the jobs.
    event = torch.cuda.Event(blocking=True)
    event.record(torch.cuda.current_stream(device))
    return event


def owner_of(function: Callable[..., Any]) -> Any:
    """The module that a function is a method of, or itself is."""
    return getattr(function, "__self__", function)


# A model may go and another be loaded at the same address: an id alone would give it what was learned of the
# other, its adapters even.
_NUMBERS: WeakIdKeyDictionary = WeakIdKeyDictionary()
_NEXT = itertools.count()
_NUMBERING = threading.Lock()


def _identity(function: Callable[..., Any]) -> Hashable:
    return number_of(owner_of(function)), getattr(function, "__name__", "")


def number_of(owner: Any) -> int:
    """A number that no other object has, or ever had; but its id where it can't be told when it goes."""
    try:
        number: int | None = _NUMBERS.get(owner)
        if number is None:
            with _NUMBERING:
                number = _NUMBERS.setdefault(owner, next(_NEXT))
        return number
    except TypeError:
        return -id(owner)


def _signature(leaf: Any, rows: int) -> Hashable:
    """What must be equal in two leaves so that they can be stacked."""
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


# A job hands over the same constant at every step, and to read it from a GPU means to wait for the GPU.
_DIGESTS: WeakIdKeyDictionary = WeakIdKeyDictionary()


def _digest(constant: Tensor) -> Hashable:
    # Such a tensor does not tell whether it was changed since it was read; it is equal to itself.
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
        # Compared by no one: on a GPU that would mean to wait for it.
        return torch.cat([value.expand(count) for value, count in zip(column, rows, strict=True)])
    if len(first) != rows[0]:
        return first
    return torch.cat(column)


@contextmanager
def _undrawn(generators: Sequence[Generator]) -> Iterator[None]:
    """Many functions take a generator and never draw from it; one that does draws for one caller only."""
    before = [generator.get_state() for generator in generators]
    try:
        yield
    finally:
        drawn = False
        for generator, state in zip(generators, before, strict=True):
            if not torch.equal(generator.get_state(), state):
                generator.set_state(state)
                drawn = True
    if drawn:
        raise NotShareable("it draws random numbers")


def _sliced(answer: Any, rows: list[int]) -> list[Any]:
    leaves, spec = pytree.tree_flatten(answer)
    shares = [_shares(leaf, rows) for leaf in leaves]
    # By index: an answer that holds nothing is one for each call, too.
    return [pytree.tree_unflatten([share[index] for share in shares], spec) for index in range(len(rows))]


def _shares(leaf: Any, rows: list[int]) -> Sequence[Any]:
    # Not so a number: it may be counted over all rows, the neighbours' too.
    if leaf is None or isinstance(leaf, str):
        return [leaf] * len(rows)
    if isinstance(leaf, Tensor) and leaf.ndim and len(leaf) == sum(rows):
        return torch.split(leaf, rows)
    raise NotShareable(f"a {type(leaf).__name__} among the answers has not one row for each row asked")
