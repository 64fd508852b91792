"""The arguments of a call of a module as a list of tensors, which is all that an engine takes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

# Only these may be constants of an exported module. Their `repr` is the same in every process.
_CONSTANTS = (type(None), bool, int, float, str, torch.dtype, torch.device)


class NotExportable(Exception):
    """The arguments or the answer of a module hold something that no engine takes, such as a cache."""


@dataclass(frozen=True)
class ModuleArguments:
    """The flattened arguments of one call.

    The batcher turns a tensor without axes, such as a timestep, into one value for each row. So both forms
    count as equal here, and engines are given the second one.

    Args:
        leaves: All arguments, flattened.
        spec: Their structure.
        rows: Length of the batch axis.
        kinds: For each tensor: `value` (one number for each row), `rows` (has the batch axis) or `same`.
        form: Names the structure, the constants, and the number formats and axes of the tensors. Calls of one
            form differ only in the sizes of axes, in the format of values, and in content.
    """

    leaves: tuple[Any, ...]
    spec: Any
    rows: int
    kinds: tuple[str, ...]
    form: str

    @classmethod
    def of(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        """Flatten the arguments of a call.

        Raises:
            NotExportable: One of them is neither a tensor nor a simple constant, or no tensor has rows.
        """
        leaves, spec = pytree.tree_flatten((args, kwargs))
        rows = next((len(leaf) for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim), 0)
        if rows == 0:
            raise NotExportable("no tensor among its arguments has rows")
        names, kinds = [], []
        for leaf in leaves:
            if isinstance(leaf, Tensor):
                kinds.append(_kind(leaf, rows))
                names.append("value" if kinds[-1] == "value" else f"{kinds[-1]} {leaf.dtype} {leaf.ndim}")
            elif isinstance(leaf, _CONSTANTS):
                names.append(repr(leaf))
            else:
                raise NotExportable(f"an argument is a {type(leaf).__name__}")
        form = hashlib.sha256(repr((str(spec), names)).encode()).hexdigest()[:16]
        return cls(tuple(leaves), spec, rows, tuple(kinds), form)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors in their order; each value has one number for each row."""
        found = [leaf for leaf in self.leaves if isinstance(leaf, Tensor)]
        return tuple(tensor.expand(self.rows) if tensor.ndim == 0 else tensor for tensor in found)

    @property
    def sizes(self) -> tuple[Any, ...]:
        """What an engine must be compared for anew: sizes of axes, formats of values, the order of rows."""
        shapes = [
            tensor.dtype if kind == "value" else tuple(tensor.shape[1:] if kind == "rows" else tensor.shape)
            for tensor, kind in zip(self.tensors, self.kinds, strict=True)
        ]
        # Rows count as their next power of two.
        return ((self.rows - 1).bit_length(), *shapes)

    def with_tensors(self, tensors: Sequence[Tensor]) -> Self:
        """Return arguments with other tensors, in the same order."""
        given = iter(tensors)
        leaves = tuple(next(given) if isinstance(leaf, Tensor) else leaf for leaf in self.leaves)
        # Not `len`, which would make the number of rows a constant of a module that is being exported.
        rows = next(leaf.shape[0] for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim)
        return replace(self, leaves=leaves, rows=rows)

    def call(self, function: Any) -> Any:
        """Call a function with the arguments."""
        args, kwargs = pytree.tree_unflatten(list(self.leaves), self.spec)
        return function(*args, **kwargs)


def tensors_of(answer: Any) -> list[Tensor]:
    """Return the tensors of an answer.

    Raises:
        NotExportable: It holds something else, except for None.
    """
    found = []
    for leaf in pytree.tree_leaves(answer):
        if isinstance(leaf, Tensor):
            found.append(leaf)
        elif leaf is not None:
            raise NotExportable(f"a {type(leaf).__name__} is in its answer")
    return found


def answer_like(answer: Any, tensors: Sequence[Tensor]) -> Any:
    """Return an answer of the same structure with other tensors."""
    leaves, spec = pytree.tree_flatten(answer)
    given = iter(tensors)
    return pytree.tree_unflatten([next(given) if isinstance(leaf, Tensor) else leaf for leaf in leaves], spec)


def _kind(tensor: Tensor, rows: int) -> str:
    if tensor.ndim == 0 or (tensor.ndim == 1 and len(tensor) == rows):
        return "value"
    return "rows" if len(tensor) == rows else "same"
