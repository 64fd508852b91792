"""What an object holds at one moment, with all objects that it refers to; two moments can be compared.

It finds the attributes that a call of a module changes, without a list of their names: those of the module
and of its children, in lists and dictionaries, buffers, and objects of any class.
"""

import copy
import enum
import functools
import types
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# Larger tensors are not copied: they count as changed if they were written to or replaced.
MAX_COPIED_ELEMENTS = 2**22
# Not a name that an attribute can have.
_PICKLED = "<pickled>"
_CONSTANTS = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
    torch.dtype,
    torch.device,
    enum.Enum,
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
)


@dataclass(frozen=True)
class Change:
    """A difference between two moments.

    Args:
        path: Where the value is, such as `blocks.0.calls`; empty for the object itself.
        is_weight: Whether a weight was written to.
    """

    path: str
    is_weight: bool = False


@dataclass(frozen=True)
class _Node:
    """An object and what it held.

    Args:
        own: The object itself, so that its number (`id`) stays taken.
        items: What it referred to, by name, key or index.
        content: A copy of a tensor, an array or an object of C; the state of a generator; else None.
        version: How often a tensor had been written to.
    """

    own: Any
    items: dict[Any, Any]
    content: Any = None
    version: int | None = None


class ModuleState:
    """The state of an object, such as a module, at the moment when it is made.

    Args:
        root: The object.
    """

    def __init__(self, root: Any) -> None:
        self._root = root
        self._nodes: dict[int, _Node] = {}
        waiting = [root]
        while waiting:
            found = waiting.pop()
            if id(found) not in self._nodes and not isinstance(found, _CONSTANTS):
                node = self._nodes[id(found)] = _node_of(found)
                waiting.extend(node.items.values())

    def changes(self, later: "ModuleState") -> list[Change]:
        """Return what differs in a later state of the same object, or in the state of a copy of it."""
        return list(_differences(self._nodes, later._nodes, (self._root, later._root)))

    def restore(self) -> None:
        """Write back what the objects held. Weights stay as they are."""
        # An object of C cannot be written to, so that its owners get a copy of what it was.
        of_c = [node for node in self._nodes.values() if _PICKLED in node.items]
        changed = [node for node in of_c if not _are_alike(node.items, _items_of(node.own))]
        copies = {id(node.own): copy.deepcopy(node.content) for node in changed}
        for node in self._nodes.values():
            _restore(node, copies)


def copy_with_shared_weights(module: nn.Module) -> nn.Module:
    """Return a copy whose attributes and buffers are its own, and whose weights are those of the module.

    Raises:
        Exception: What `copy.deepcopy` raises if something in the module cannot be copied.
    """
    memo: dict[int, Any] = {id(weight): weight for weight in module.parameters()}
    # A hook that moves the weights to the device does so for all modules that share them.
    hooks = (getattr(each, "_hf_hook", None) for each in module.modules())
    memo |= {id(hook): hook for hook in hooks if hook is not None}
    return copy.deepcopy(module, memo)


def _node_of(found: Any) -> _Node:
    if isinstance(found, Tensor):
        is_copied = not isinstance(found, nn.Parameter) and found.numel() <= MAX_COPIED_ELEMENTS
        is_copied = is_copied and found.layout is torch.strided and found.device.type != "meta"
        version = None if found.is_inference() else found._version
        return _Node(found, {}, found.detach().clone() if is_copied else None, version)
    if isinstance(found, np.ndarray):
        return _Node(found, {}, found.copy() if found.size <= MAX_COPIED_ELEMENTS else None)
    if isinstance(found, torch.Generator):
        return _Node(found, {}, found.get_state())
    items = _items_of(found)
    return _Node(found, items, copy.deepcopy(found) if _PICKLED in items else None)


def _items_of(found: Any) -> dict[Any, Any]:
    if isinstance(found, dict):
        return dict(found)
    if isinstance(found, (list, tuple)):
        return dict(enumerate(found))
    if isinstance(found, (set, frozenset)):
        return dict.fromkeys(found, True)
    if isinstance(found, types.MethodType):
        return {"__self__": found.__self__}
    if isinstance(found, functools.partial):
        return {"func": found.func, "args": found.args, "keywords": found.keywords}
    items = dict(getattr(found, "__dict__", {}))
    items |= {name: getattr(found, name) for name in _slots(type(found)) if hasattr(found, name)}
    return items or _pickled(found)


def _slots(kind: type) -> Iterator[str]:
    for each in kind.__mro__:
        names = each.__dict__.get("__slots__", ())
        yield from ([names] if isinstance(names, str) else names)


def _pickled(found: Any) -> dict[Any, Any]:
    """Return what pickle would write of an object of C, such as a counter or a random number generator."""
    try:
        parts = found.__reduce_ex__(4)
    # An object may refuse in any way. Only its identity is compared then.
    except Exception:
        return {}
    return {_PICKLED: parts[1:3]} if isinstance(parts, tuple) else {}


def _differences(
    before: Mapping[int, _Node], after: Mapping[int, _Node], roots: tuple[Any, Any]
) -> Iterator[Change]:
    """Yield a change for each path below two objects whose values differ."""
    seen: set[tuple[int, int]] = set()
    waiting: list[tuple[str, Any, Any]] = [("", *roots)]
    while waiting:
        path, one, other = waiting.pop()
        if (id(one), id(other)) in seen:
            continue
        seen.add((id(one), id(other)))
        first, second = before.get(id(one)), after.get(id(other))
        if first is None or second is None:
            if not _are_equal_constants(one, other):
                yield Change(path)
        elif not _is_same_content(first, second):
            yield Change(path, isinstance(one, nn.Parameter))
        else:
            held, now = _comparable(first), _comparable(second)
            for key in {**held, **now}:
                below = f"{path}.{key}".removeprefix(".")
                if key in held and key in now:
                    waiting.append((below, held[key], now[key]))
                else:
                    yield Change(below)


def _comparable(node: _Node) -> dict[Any, Any]:
    # The hooks of a module have numbers as keys that no hook had before. Only their order tells anything.
    is_of_hooks = isinstance(node.own, OrderedDict) and all(type(key) is int for key in node.items)
    return dict(enumerate(node.items.values())) if is_of_hooks else node.items


def _are_equal_constants(one: Any, other: Any) -> bool:
    # A hook is made anew each time, by the same code.
    if isinstance(one, types.FunctionType) and isinstance(other, types.FunctionType):
        return one.__code__ is other.__code__
    # NaN is not equal to itself.
    return one is other or (type(one) is type(other) and (one == other or repr(one) == repr(other) == "nan"))


def _is_same_content(one: _Node, other: _Node) -> bool:
    if type(one.own) is not type(other.own):
        return False
    if isinstance(one.own, (Tensor, np.ndarray, torch.Generator)):
        is_untouched = one.own is other.own and one.version is not None and one.version == other.version
        return is_untouched or _is_same_array(one.content, other.content)
    # An object of C that shows nothing of itself is only the same as itself.
    is_opaque = not one.items and not other.items and not _is_empty(one.own)
    return not is_opaque or one.own is other.own


def _is_empty(found: Any) -> bool:
    return isinstance(found, (dict, list, tuple, set, frozenset)) or hasattr(found, "__dict__")


def _is_same_array(one: Any, other: Any) -> bool:
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    if isinstance(one, np.ndarray):
        return bool((one == other).all()) if one.dtype.hasobject else one.tobytes() == other.tobytes()
    first, second = one.cpu(), other.cpu()
    return bool(torch.equal(first, second)) or bool(
        ((first == second) | ((first != first) & (second != second))).all()
    )


def _restore(node: _Node, copies: Mapping[int, Any]) -> None:
    own = node.own
    if isinstance(own, Tensor):
        if node.content is not None and node.version != own._version:
            with torch.no_grad():
                own.copy_(node.content)
    elif isinstance(own, np.ndarray):
        if node.content is not None:
            own[...] = node.content
    elif isinstance(own, torch.Generator):
        own.set_state(node.content)
    elif _PICKLED not in node.items:
        items = {name: copies.get(id(value), value) for name, value in node.items.items()}
        now = _items_of(own)
        if now.keys() != items.keys() or any(value is not items[name] for name, value in now.items()):
            _put_back(own, items)


def _put_back(own: Any, items: Mapping[Any, Any]) -> None:
    if isinstance(own, (dict, set)):
        own.clear()
        own.update(items)
    elif isinstance(own, list):
        own[:] = items.values()
    else:
        slots = set(_slots(type(own)))
        if hasattr(own, "__dict__"):
            own.__dict__.clear()
            own.__dict__.update({name: value for name, value in items.items() if name not in slots})
        for name in slots & items.keys():
            object.__setattr__(own, name, items[name])


def _are_alike(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    first, second = ModuleState(one), ModuleState(other)
    return not first.changes(second)
