"""Skipped calls of the denoiser of one job: their answers are extrapolated from those before.

The output of a denoiser changes little from step to step, and nearly along a line over the timestep. So the
answer of a skipped call is the line through the two answers before it (as in AB-Cache, arXiv 2504.10540, and
TaylorSeer, arXiv 2503.06923, but for the output of the whole model: its inner modules are shared with other
jobs). Which calls are skipped is known before the run: what a job computes must not depend on rounding, which
differs between batches.
"""

from collections.abc import Sequence
from typing import Any

import torch
from brushwork_schemas.kinds.generation.step_skipping import computed_calls
from brushwork_schemas.warnings import result_warning
from torch import Tensor
from torch.utils import _pytree as pytree

from brushwork_workers.interface import JobContext

DENOISERS = ("unet", "transformer")
_INPUTS = ("sample", "hidden_states")


class StepSkipping:
    """Skips calls of the denoiser, and of the ControlNet, of one pipeline run.

    Nothing is shared with other jobs: it replaces the proxies of the modules in the job's own pipeline.

    Args:
        pipeline: The pipeline of the job. It must not be running yet.
        acceleration: 0 to 1; see `computed_calls`.

    Attributes:
        computed: Calls that the denoiser has computed so far.
        skipped: Calls that were extrapolated so far.
    """

    def __init__(self, pipeline: Any, acceleration: float) -> None:
        self._pipeline = pipeline
        self._acceleration = acceleration
        self._times: list[float] = []
        self._is_computed: tuple[bool, ...] = ()
        self.computed = 0
        self.skipped = 0
        for name in DENOISERS:
            if pipeline.__dict__.get(name) is not None:
                pipeline.__dict__[name] = _SkippingDenoiser(pipeline.__dict__[name], self)
        if pipeline.__dict__.get("controlnet") is not None:
            pipeline.__dict__["controlnet"] = _SkippingControlNet(pipeline.__dict__["controlnet"], self)

    def is_computed(self, point: int) -> bool:
        """Return whether the denoiser is called at a point of the run; see `_Place`."""
        if not self._times:
            # Known once the pipeline runs. Schedulers with several calls in a step list each.
            timesteps = self._pipeline.scheduler.timesteps
            number = getattr(self._pipeline, "num_timesteps", None) or len(timesteps)
            self._times = [float(time) for time in timesteps[-number:].tolist()]
            self._is_computed = computed_calls(len(self._times), self._acceleration)
        # A pipeline may make more calls than it has timesteps. What is not planned is computed.
        return point >= len(self._is_computed) or self._is_computed[point]

    def report(self, context: JobContext) -> None:
        """Tell how many calls were skipped, once the pipeline has run."""
        context.denoiser_calls(self.computed, self.skipped)
        if not self.skipped:
            context.warn(result_warning("parameter_ignored", "acceleration", reason="too_few_steps"))

    def time_of(self, point: int) -> float:
        """Return the timestep of a point of the run."""
        return self._times[min(point, len(self._times) - 1)]


class _Place:
    """Where a run is: the point, from 0, at which the module is called, and which call of that point it is.

    Each timestep of the scheduler is a point. At a point, a pipeline calls the denoiser once, for both rows
    of guidance, or once with each prompt; then both calls get the same tensor of latents.
    """

    def __init__(self) -> None:
        self.point = -1
        self.call = 0
        self._latents: Any = None

    def enter(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note a call of the module."""
        latents = args[0] if args else next((kwargs[name] for name in _INPUTS if name in kwargs), None)
        if latents is not None and latents is self._latents:
            self.call += 1
        else:
            self.point += 1
            self.call = 0
        self._latents = latents


class _Replacement:
    """Replaces the proxy of a module; all but its call is that of the proxy."""

    def __init__(self, proxy: Any, skipping: StepSkipping) -> None:
        self._proxy = proxy
        self._skipping = skipping
        self._place = _Place()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._proxy, name)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        own: type = self._proxy.__class__
        return own


class _SkippingDenoiser(_Replacement):
    def __init__(self, proxy: Any, skipping: StepSkipping) -> None:
        super().__init__(proxy, skipping)
        self._lines: dict[int, _Line] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._place.enter(args, kwargs)
        point, line = self._place.point, self._lines.setdefault(self._place.call, _Line())
        if self._skipping.is_computed(point) or not line.is_known:
            answer = self._proxy(*args, **kwargs)
            line.add(self._skipping.time_of(point), answer)
            self._skipping.computed += 1
            return answer
        self._skipping.skipped += 1
        return line.at(self._skipping.time_of(point))


class _SkippingControlNet(_Replacement):
    """Skips the calls whose answers no call of the denoiser uses. It is called before the denoiser."""

    _answer: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._place.enter(args, kwargs)
        if self._answer is None or self._skipping.is_computed(self._place.point):
            self._answer = self._proxy(*args, **kwargs)
        return self._answer


class _Line:
    """The line through the last two answers of a module, over the timestep."""

    def __init__(self) -> None:
        self._points: list[tuple[float, Sequence[Any]]] = []
        self._spec: Any = None

    @property
    def is_known(self) -> bool:
        """Whether there are two answers."""
        return len(self._points) > 1

    def add(self, time: float, answer: Any) -> None:
        """Add an answer. Of two at the same timestep, the later one counts."""
        leaves, self._spec = pytree.tree_flatten(answer)
        # Schedulers may write into what a model returned.
        leaves = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        others = [point for point in self._points if point[0] != time]
        self._points = [*others[-1:], (time, leaves)]

    def at(self, time: float) -> Any:
        """Return the answer at another timestep, of the same structure and number formats."""
        (before, first), (after, second) = self._points
        weight = (time - before) / (after - before)
        made = [_extrapolated(*pair, weight) for pair in zip(first, second, strict=True)]
        return pytree.tree_unflatten(made, self._spec)


def _extrapolated(first: Any, second: Any, weight: float) -> Any:
    if not isinstance(second, Tensor) or not second.is_floating_point():
        return second
    return torch.lerp(first.float(), second.float(), weight).to(second.dtype)
