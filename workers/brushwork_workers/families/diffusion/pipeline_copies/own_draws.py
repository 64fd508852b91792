"""Draws from global random generators, redirected to generators of one job.

Some pipelines and modules draw numbers without the generator that they were given: a VAE samples its latents,
a scheduler seeds its noise. The numbers would depend on what else the worker does, and no seed would
reproduce a picture. Inside the block of `OwnDraws` these draws come from generators that were seeded with the
job's seed, as if the job had called `torch.manual_seed(seed)` in a process of its own. The global generators
of torch stay as they are, so nobody else notices.

NumPy and Python have no such hook. Their global states are exchanged inside the block, by one job at a time.
"""

import functools
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_EXCHANGING = threading.RLock()
_SEEDS_OF_NUMPY = 2**32


class OwnDraws:
    """The generators of one job. Use it in a block around the code of the job; it is not reentrant.

    Args:
        seed: The seed of the job.
        of_python: Whether the code also draws from the global generators of NumPy and Python.

    Attributes:
        has_drawn: Whether a draw from a global generator of torch was redirected.
    """

    def __init__(self, seed: int, *, of_python: bool = False) -> None:
        self.has_drawn = False
        self._seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}
        self._python = _python_states(seed) if of_python else None
        self._outside: Any = None
        self._mode: _Redirecting | None = None

    def __enter__(self) -> "OwnDraws":
        """Redirect the draws of this thread."""
        if self._python is not None:
            _EXCHANGING.acquire()
            self._outside = python_states()
            _set_python_states(self._python)
        self._mode = _Redirecting(self)
        self._mode.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        """End what `__enter__` began."""
        if self._mode is not None:
            self._mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self._mode = None
        if self._python is not None:
            self._python = python_states()
            _set_python_states(self._outside)
            _EXCHANGING.release()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Redirect nothing inside the block, where the thread may run another job."""
        if self._mode is None:
            yield
            return
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def drawn(self, operation: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run an operation of torch that draws numbers, with the job's generator.

        Args:
            operation: The operation, an `OpOverload`.
            args: Its arguments.
            kwargs: Its keyword arguments.
        """
        generator = self._generator(_device_of(args, kwargs))
        before = generator.get_state()
        with_generator = _with_generator(operation)
        if with_generator is not None:
            answer = with_generator(*args, **{**kwargs, "generator": generator})
        else:
            answer = _with_exchanged_default(generator, functools.partial(operation, *args, **kwargs))
        self.has_drawn = self.has_drawn or not torch.equal(before, generator.get_state())
        return answer

    def _generator(self, device: torch.device) -> torch.Generator:
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        return self._generators[device]


class _Redirecting(TorchDispatchMode):
    """Sees every operation of its thread."""

    def __init__(self, draws: OwnDraws) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._draws = draws

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None:
            return self._draws.drawn(func, args, kwargs)
        return func(*args, **kwargs)


def python_states() -> tuple[Any, ...]:
    """Return the states of the global generators of NumPy and Python."""
    state: Any = np.random.get_state(legacy=True)
    name, keys, *rest = state
    return (name, keys.tolist(), *rest), random.getstate()


def _python_states(seed: int) -> tuple[Any, ...]:
    """Return the states that these generators have after they were seeded."""
    state: Any = np.random.RandomState(seed % _SEEDS_OF_NUMPY).get_state(legacy=True)
    name, keys, *rest = state
    return (name, keys.tolist(), *rest), random.Random(seed).getstate()  # noqa: S311


def _set_python_states(states: tuple[Any, ...]) -> None:
    np.random.set_state(states[0])
    random.setstate(states[1])


def _device_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> torch.device:
    tensor = next((each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)), None)
    device = kwargs.get("device") or (tensor.device if tensor is not None else "cpu")
    device = torch.device(device)
    return torch.empty(0, device=device).device if device.type != "cpu" else device


@functools.cache
def _with_generator(operation: Any) -> Any:
    """Return the form of an operation that takes a generator; None if there is none."""
    wanted = [argument.name for argument in operation._schema.arguments]
    if "generator" in wanted:
        return operation
    packet = operation.overloadpacket
    for name in packet.overloads():
        form = getattr(packet, name)
        if {argument.name for argument in form._schema.arguments} == {*wanted, "generator"}:
            return form
    return None


def _with_exchanged_default(generator: torch.Generator, run: Callable[[], Any]) -> Any:
    """Run an operation that only draws from the default generator, and give it the numbers of another one."""
    device = generator.device
    default = torch.default_generator if device.type == "cpu" else _default_of(device)
    with _EXCHANGING:
        outside = default.get_state()
        default.set_state(generator.get_state())
        try:
            return run()
        finally:
            generator.set_state(default.get_state())
            default.set_state(outside)


def _default_of(device: torch.device) -> torch.Generator:
    module: Any = torch.get_device_module(device)
    found: torch.Generator = module.default_generators[device.index or 0]
    return found
