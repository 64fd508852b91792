"""A cache of what text encoders return, so that a repeated prompt is not encoded again.

The cache knows no tokenizer, pipeline or request. A key consists of the called module and the arguments of
the call with their bytes: token ids, masks, flags. So it holds for every pipeline, and nothing that decides
the answer can be left out. `clip_skip` needs no part of the key: a pipeline chooses the layer from the
answer, which is kept with all the hidden states that were asked for.

Answers are kept in CPU memory, on every device. One of them takes a few MiB and is quickly copied back, while
memory of the device decides how many models and rows fit there.
"""

import hashlib
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from brushwork_workers.batching.arguments import number_of, owner_of
from brushwork_workers.batching.call_options import CallOptions

# Counted for each entry besides its tensors, so that entries with small tensors are limited, too.
ENTRY_BYTES = 1024
_CONSTANTS = (bool, int, float, str, bytes, torch.dtype, torch.device, type(None))


@dataclass(frozen=True)
class PromptKey:
    """What decides the answer of a call.

    Args:
        module: Number of the called module. No other module ever has it, so an encoder that was loaded again,
            or of another revision, shares no entry. It also stands for the engine that runs the module.
        method: Name of the called method; empty for the module itself.
        adapters: The active adapters with their weights.
        arguments: The structure of the arguments, and each of them; tensors with a digest of their bytes.
    """

    module: int
    method: str
    adapters: Hashable
    arguments: Hashable

    @classmethod
    def of(
        cls, options: CallOptions, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> "PromptKey | None":
        """Return the key of a call; None if its answer cannot be kept."""
        leaves, spec = pytree.tree_flatten((args, kwargs))
        owner = owner_of(function)
        number = number_of(owner)
        if number < 0 or not all(isinstance(leaf, (Tensor, *_CONSTANTS)) for leaf in leaves):
            return None
        # Dropout draws random numbers.
        if getattr(owner, "training", False):
            return None
        name = getattr(function, "__name__", "")
        return cls(number, name, options.adapters, (spec, tuple(_exact(leaf) for leaf in leaves)))


@dataclass(frozen=True)
class KeptAnswer:
    """The answer of a call, in CPU memory.

    Args:
        leaves: The flattened answer.
        devices: For each leaf, the device of the tensor that it was; None if it is no tensor.
        spec: The structure of the answer.
        engines: What has run each module that has an engine.
        is_alone: Whether the call shared no batch, so that a job that must not share any may have the answer.
    """

    leaves: tuple[Any, ...]
    devices: tuple[torch.device | None, ...]
    spec: Any
    engines: Mapping[str, frozenset[str]]
    is_alone: bool

    @classmethod
    def of(cls, answer: Any, engines: Mapping[str, frozenset[str]], *, is_alone: bool) -> "KeptAnswer | None":
        """Copy an answer; None if it holds something else than tensors with finite values and constants."""
        leaves, spec = pytree.tree_flatten(answer)
        if not all(isinstance(leaf, (Tensor, *_CONSTANTS)) for leaf in leaves):
            return None
        # A slice of a batch is a view, which would keep the tensor of the whole batch in memory.
        copies = tuple(_copy(leaf, torch.device("cpu")) for leaf in leaves)
        # A fault of the device must not be repeated.
        if not all(bool(leaf.isfinite().all()) for leaf in copies if isinstance(leaf, Tensor)):
            return None
        devices = tuple(leaf.device if isinstance(leaf, Tensor) else None for leaf in leaves)
        return cls(copies, devices, spec, engines, is_alone)

    @property
    def size_bytes(self) -> int:
        """Bytes that it takes."""
        tensors = (leaf for leaf in self.leaves if isinstance(leaf, Tensor))
        return ENTRY_BYTES + sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def copy(self) -> Any:
        """Return a copy of the answer on its device, which the caller may change."""
        pairs = zip(self.leaves, self.devices, strict=True)
        return pytree.tree_unflatten([_copy(leaf, device) for leaf, device in pairs], self.spec)


@dataclass
class Lookups:
    """The calls of one module that asked the cache."""

    hits: int = 0
    misses: int = 0


class PromptCache:
    """Keeps answers up to a number of bytes; the least recently used is dropped first. Safe to share.

    The answers of a module are dropped when the module is unloaded.

    Args:
        max_bytes: Most bytes of all answers.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._answers: OrderedDict[PromptKey, KeptAnswer] = OrderedDict()
        self._size_bytes = 0
        self._lookups: dict[str, Lookups] = {}
        self._watched: set[int] = set()
        # The garbage collector may call a finalizer in a thread that holds the lock, so it only notes the
        # number.
        self._unloaded: deque[int] = deque()
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """Bytes that the answers take."""
        with self._lock:
            self._drop_unloaded()
            return self._size_bytes

    def lookups(self) -> dict[str, Lookups]:
        """Return a copy of the counts of each module, by "<model> <part>"."""
        with self._lock:
            return {name: Lookups(each.hits, each.misses) for name, each in self._lookups.items()}

    def get(self, key: PromptKey, name: str, *, alone: bool) -> KeptAnswer | None:
        """Return the answer of an earlier call, and count the lookup.

        Args:
            key: What decides the answer.
            name: The module for the counts: "<model> <part>".
            alone: Whether only an answer of a call that shared no batch will do.
        """
        with self._lock:
            found = self._answers.get(key)
            counts = self._lookups.setdefault(name, Lookups())
            if found is None or (alone and not found.is_alone):
                counts.misses += 1
                return None
            counts.hits += 1
            self._answers.move_to_end(key)
            return found

    def put(self, key: PromptKey, module: Any, answer: KeptAnswer) -> None:
        """Keep an answer, unless an equally good one is there or it is too large.

        Args:
            key: What decides the answer.
            module: The called module.
            answer: Its answer.
        """
        with self._lock:
            self._drop_unloaded()
            known = self._answers.get(key)
            # The first answer stays, so that all later jobs get the same bytes.
            if known is not None and (known.is_alone or not answer.is_alone):
                return
            if answer.size_bytes > self._max_bytes:
                return
            self._watch(key.module, module)
            self._remove(key)
            self._answers[key] = answer
            self._size_bytes += answer.size_bytes
            while self._size_bytes > self._max_bytes:
                self._remove(next(iter(self._answers)))

    def _watch(self, number: int, module: Any) -> None:
        if number not in self._watched:
            self._watched.add(number)
            weakref.finalize(module, self._unloaded.append, number).atexit = False

    def _drop_unloaded(self) -> None:
        while self._unloaded:
            number = self._unloaded.popleft()
            self._watched.discard(number)
            for key in [key for key in self._answers if key.module == number]:
                self._remove(key)

    def _remove(self, key: PromptKey) -> None:
        removed = self._answers.pop(key, None)
        if removed is not None:
            self._size_bytes -= removed.size_bytes


def _copy(leaf: Any, device: torch.device | None) -> Any:
    return leaf.detach().to(device, copy=True) if isinstance(leaf, Tensor) else leaf


def _exact(leaf: Any) -> Hashable:
    """Return what is equal for equal arguments only; 1, 1.0 and True differ, and so do two devices."""
    if not isinstance(leaf, Tensor):
        return type(leaf), leaf
    content = leaf.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return leaf.shape, leaf.dtype, leaf.device, hashlib.blake2b(content, digest_size=32).digest()
