"""Small pipelines whose modules and helpers keep state, in all places where state can be kept."""

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DiffusionPipeline, ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor, nn

STEPS = 3
# For mypy, which loses the pipeline's base class where peft is installed.
Upstream: Any = DiffusionPipeline


class Network(ModelMixin, ConfigMixin):
    """A denoiser of one layer; subclasses keep state."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 4)
        self.prepare()

    def prepare(self) -> None:
        """Make the attributes of a subclass."""

    def forward(self, sample: Tensor) -> Any:
        return torch.tanh(self.layer(self.changed(sample)))

    def changed(self, sample: Tensor) -> Any:
        return sample


class Counting(Network):
    def prepare(self) -> None:
        self.calls = 0

    def changed(self, sample: Tensor) -> Any:
        self.calls += 1
        return sample * self.calls


class CountingInAChild(Network):
    def prepare(self) -> None:
        self.child = Counting()

    def changed(self, sample: Tensor) -> Any:
        return self.child(sample)


class InABuffer(Network):
    def prepare(self) -> None:
        self.register_buffer("running", torch.zeros(4))

    def changed(self, sample: Tensor) -> Any:
        self.running.mul_(0.5).add_(sample.mean(0))
        return sample + self.running


class InAList(Network):
    def prepare(self) -> None:
        self.seen: list[Tensor] = []

    def changed(self, sample: Tensor) -> Any:
        self.seen.append(sample.detach())
        return sample + torch.cat(self.seen).mean(0)


class InAnObjectOfC(Network):
    def prepare(self) -> None:
        self.numbers = itertools.count(1)

    def changed(self, sample: Tensor) -> Any:
        return sample * next(self.numbers)


class WithSlots:
    __slots__ = ("factor",)

    def __init__(self) -> None:
        self.factor = 1.0


class InSlots(Network):
    def prepare(self) -> None:
        self.own = WithSlots()

    def changed(self, sample: Tensor) -> Any:
        self.own.factor += 1.0
        return sample * self.own.factor


class FromTheFirstSample(Network):
    """Like layers that normalise by the first data that they see."""

    mean: Tensor | None

    def prepare(self) -> None:
        self.mean = None

    def changed(self, sample: Tensor) -> Any:
        if self.mean is None:
            self.mean = sample.mean(0)
        return sample - self.mean


class WithAGenerator(Network):
    def prepare(self) -> None:
        self.generator = torch.Generator().manual_seed(3)

    def changed(self, sample: Tensor) -> Any:
        return sample + torch.randn(sample.shape, generator=self.generator)


class WithAConstant(Network):
    """Computes a table when it is first needed. That is no state."""

    table: Tensor | None

    def prepare(self) -> None:
        self.table = None

    def changed(self, sample: Tensor) -> Any:
        if self.table is None or self.table.shape != sample.shape[1:]:
            self.table = torch.arange(sample.shape[1]) / 4.0
        return sample + self.table


class OnItsClass(Network):
    calls = 0

    def changed(self, sample: Tensor) -> Any:
        OnItsClass.calls += 1
        return sample * OnItsClass.calls


class InAClosure(Network):
    def prepare(self) -> None:
        calls: list[int] = []

        def count() -> int:
            calls.append(1)
            return len(calls)

        self.count = count

    def changed(self, sample: Tensor) -> Any:
        return sample * self.count()


class InItsWeights(Network):
    def changed(self, sample: Tensor) -> Any:
        with torch.no_grad():
            self.layer.weight.add_(0.1)
        return sample


class NotToBeCopied(Counting):
    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("a handle of a device")


class OfTheWholeBatch(Network):
    """Centres its rows, so that each answer depends on the others in the batch."""

    def changed(self, sample: Tensor) -> Any:
        return sample - 0.5 * sample.mean(0)


class Drawing(Network):
    def changed(self, sample: Tensor) -> Any:
        return sample + torch.randn_like(sample)


class Dropping(Network):
    def changed(self, sample: Tensor) -> Any:
        return nn.functional.dropout(sample, 0.5, training=True)


class Momentum:
    """A guider with a momentum buffer, of no class that anyone knows."""

    def __init__(self) -> None:
        self.average: Tensor | None = None

    def __call__(self, noise: Tensor) -> Tensor:
        self.average = noise if self.average is None else 0.5 * self.average + noise
        return noise + self.average


class Plain:
    def __call__(self, noise: Tensor) -> Tensor:
        return noise


class Holding:
    """Holds the network, a list and a dictionary, as a helper of a pipeline may."""

    def __init__(self, network: Any) -> None:
        self.held = {"networks": [network]}
        self.calls: list[int] = []

    def __call__(self, noise: Tensor) -> Tensor:
        self.calls.append(1)
        noise = self.held["networks"][0](noise)
        return noise * len(self.calls)


class DrawingGuider:
    def __call__(self, noise: Tensor) -> Tensor:
        return noise + torch.rand(noise.shape) + torch.bernoulli(torch.full(noise.shape, 0.5))


class DrawingOfPython:
    def __call__(self, noise: Tensor) -> Tensor:
        return noise + random.random() + float(np.random.normal())


class TinyPipeline(Upstream):  # type: ignore[misc]
    """Calls its network at each step, and a guider that is no component."""

    def __init__(self, network: Network, scheduler: DDIMScheduler) -> None:
        super().__init__()
        self.register_modules(network=network, scheduler=scheduler)
        self.guider: Any = Plain()

    @torch.no_grad()
    def __call__(self, generator: torch.Generator, steps: int = STEPS) -> Tensor:
        self.scheduler.set_timesteps(steps)
        latents = torch.randn(2, 4, generator=generator)
        for time in self.scheduler.timesteps:
            latents = self.scheduler.step(self.guider(self.network(latents)), time, latents).prev_sample
        return latents


class Patching(TinyPipeline):
    """Changes a part of the network while it runs, and puts it back, as perturbed attention guidance does."""

    @torch.no_grad()
    def __call__(self, generator: torch.Generator, steps: int = STEPS) -> Tensor:
        own = self.network.layer
        self.network.register_module("layer", nn.Identity())
        try:
            return super().__call__(generator, steps)
        finally:
            self.network.register_module("layer", own)


class Setting(TinyPipeline):
    """Sets an attribute of the network that the network reads."""

    @torch.no_grad()
    def __call__(self, generator: torch.Generator, steps: int = STEPS) -> Tensor:
        self.network.calls = float(torch.rand(1, generator=generator))
        return super().__call__(generator, steps)


class Outer(Upstream):  # type: ignore[misc]
    """Holds two pipelines with components of its own, as combined pipelines do."""

    def __init__(self, prior_network: Network, network: Network, scheduler: DDIMScheduler) -> None:
        super().__init__()
        self.register_modules(prior_network=prior_network, network=network, scheduler=scheduler)
        self.prior_pipe = TinyPipeline(prior_network, scheduler)
        self.decoder_pipe = TinyPipeline(network, scheduler)

    def __call__(self, generator: torch.Generator, steps: int = STEPS) -> Tensor:
        return self.prior_pipe(generator, steps) + self.decoder_pipe(generator, steps + 1)


class WithoutScheduler(Upstream):  # type: ignore[misc]
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.register_modules(network=network)

    @torch.no_grad()
    def __call__(self, generator: torch.Generator) -> Any:
        return self.network(torch.randn(2, 4, generator=generator))


def tiny(
    network: type[Network] = Network,
    guider: Callable[[], Any] = Plain,
    kind: type[TinyPipeline] = TinyPipeline,
) -> Any:
    pipeline = kind(network().eval(), DDIMScheduler(clip_sample=False))
    pipeline.guider = guider()
    return pipeline


def holding() -> Any:
    pipeline = tiny()
    pipeline.guider = Holding(pipeline.network)
    return pipeline


STATEFUL: dict[str, Callable[[], Any]] = {
    "a module that counts its calls": lambda: tiny(Counting),
    "a module inside of a module": lambda: tiny(CountingInAChild),
    "a buffer": lambda: tiny(InABuffer),
    "a list": lambda: tiny(InAList),
    "an object of C": lambda: tiny(InAnObjectOfC),
    "an object with slots": lambda: tiny(InSlots),
    "what the first sample was": lambda: tiny(FromTheFirstSample),
    "a generator of the module's own": lambda: tiny(WithAGenerator),
    "a guider with a momentum buffer": lambda: tiny(guider=Momentum),
    "a helper that holds the module": holding,
    "a module that is patched for a time": lambda: tiny(kind=Patching),
    "an attribute that the pipeline sets": lambda: tiny(Counting, kind=Setting),
    "pipelines inside of the pipeline": lambda: Outer(
        Counting().eval(), InABuffer().eval(), DDIMScheduler(clip_sample=False)
    ),
    "a constant that is computed once": lambda: tiny(WithAConstant),
    "rows that depend on each other": lambda: tiny(OfTheWholeBatch),
}
DRAWING: dict[str, Callable[[], Any]] = {
    "a module": lambda: tiny(Drawing),
    "dropout": lambda: tiny(Dropping),
    "a guider": lambda: tiny(guider=DrawingGuider),
    "a module and a guider": lambda: tiny(Drawing, DrawingGuider),
    "NumPy and Python": lambda: tiny(guider=DrawingOfPython),
}
REFUSED: dict[str, Callable[[], Any]] = {
    "on a class": lambda: tiny(OnItsClass),
    "in a closure": lambda: tiny(InAClosure),
    "in weights": lambda: tiny(InItsWeights),
    "in what cannot be copied": lambda: tiny(NotToBeCopied),
}
