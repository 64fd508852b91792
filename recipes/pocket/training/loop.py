"""The training loop of all parts: time budget, learning rate schedule, weight averages and checkpoints."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recipes.pocket.training import checkpoint, process_group
from recipes.pocket.training.device import device

_CHECKPOINT_EVERY_S = 180.0
_LOG_EVERY_S = 20.0
_WARM_UP_STEPS = 100
_LONGEST_LAP_S = 10.0


@dataclass(frozen=True)
class TimeBudget:
    """The time budget of a part.

    Args:
        minutes: The whole training time, including earlier runs that are resumed.
        resume: Whether to continue from the checkpoint.
        until_s: The time of the monotonic clock at which this run stops; a later run continues.
    """

    minutes: float
    resume: bool = False
    until_s: float = math.inf


@dataclass
class Plan:
    """The settings of the training of a part.

    Args:
        budget: The time budget.
        learning_rate: The highest learning rate. It warms up over 100 steps and falls to 0 at the end.
        average: The decay of the running average of the weights; 0 for no average.
        hold: The share of the budget before the learning rate begins to fall, 0 to 1.
        weight_decay: The weight decay of AdamW.
    """

    budget: TimeBudget
    learning_rate: float = 1e-3
    average: float = 0.0
    hold: float = 0.3
    weight_decay: float = 0.01


@dataclass
class Loop:
    """Trains modules on a loss within a time budget. Training can be resumed.

    Args:
        modules: The modules to train, by name.
        plan: The settings of the training.
        checkpoint: The folder of the checkpoint.
        step: The number of finished steps.
        spent_s: The training time so far, in seconds.
        averages: The running averages of the weights, by module and parameter.
    """

    modules: dict[str, nn.Module]
    plan: Plan
    checkpoint: Path
    step: int = 0
    spent_s: float = 0.0
    averages: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._parameters = [p for m in self.modules.values() for p in m.parameters()]
        self._parameters = [p for p in self._parameters if p.requires_grad]
        self._optimiser = torch.optim.AdamW(
            self._parameters,
            lr=self.plan.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=self.plan.weight_decay,
            fused=True,
        )

        if self.plan.budget.resume:
            self._resume()
        process_group.broadcast(
            [tensor for module in self.modules.values() for tensor in module.state_dict().values()]
        )

    def _resume(self) -> None:
        state = checkpoint.load(self.checkpoint)
        if state is None:
            return
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        self._optimiser.load_state_dict(state["optimiser"])
        for group in self._optimiser.param_groups:
            group.update(fused=True, foreach=None)
        self.step, self.spent_s = state["step"], state["spent_s"]
        self.averages = {
            name: {key: value.to(device()) for key, value in means.items()}
            for name, means in state["averages"].items()
        }

    @property
    def finished(self) -> bool:
        """Whether the whole budget is spent."""
        return self.spent_s >= self.plan.budget.minutes * 60

    def save(self) -> None:
        """Write the checkpoint atomically."""
        state: dict[str, Any] = {
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimiser": self._optimiser.state_dict(),
            "step": self.step,
            "spent_s": self.spent_s,
            "averages": self.averages,
        }
        checkpoint.save(state, self.checkpoint)

    def rate(self) -> float:
        """Return the current learning rate: warm-up, plateau, then a cosine to 0 at the end of the budget."""
        done = min(self.spent_s / (self.plan.budget.minutes * 60), 1.0)
        decay_progress = max(0.0, (done - self.plan.hold) / (1.0 - self.plan.hold))
        warm_up = min(1.0, (self.step + 1) / _WARM_UP_STEPS)
        return self.plan.learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * decay_progress))

    def run(
        self,
        loss: Callable[[], tuple[torch.Tensor, int, dict[str, float]]],
        evaluate: Callable[[], None] | None = None,
        evaluate_every_s: float = 600.0,
    ) -> bool:
        """Train until the budget is spent or this run must stop.

        Args:
            loss: Returns the loss of one batch, its number of samples, and figures for the log.
            evaluate: Called regularly, to save or measure the model.
            evaluate_every_s: Seconds between its calls.

        Returns:
            True if the budget is spent, False if a later run must continue.
        """
        clock = _Clock()
        while not self.finished and not self._must_stop():
            value, count, figures = loss()
            self._advance(value)
            self.spent_s += clock.lap(count * process_group.world_size())
            if process_group.rank() > 0:
                continue
            if clock.due("log", _LOG_EVERY_S):
                self._log(clock, figures)
            if clock.due("save", _CHECKPOINT_EVERY_S):
                self.save()
            if evaluate and clock.due("watch", evaluate_every_s):
                evaluate()
                clock.lap(0)
        if process_group.rank() == 0:
            self.save()
        return self.finished

    def _must_stop(self) -> bool:
        """Return whether one of the processes must stop now."""
        is_over = process_group.stop_requested.is_set() or time.monotonic() >= self.plan.budget.until_s
        late = torch.tensor([float(is_over)])
        process_group.average([late])
        return bool(late.item() > 0.0)

    def _advance(self, loss: torch.Tensor) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = self.rate()
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._average_gradients()
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimiser.step()
        self.step += 1
        if self.plan.average:
            self._average()

    def _average_gradients(self) -> None:
        """Average the gradients over all processes, and the time spent, so that all stop together."""
        if process_group.world_size() > 1:
            spent = torch.tensor([self.spent_s], dtype=torch.float64)
            process_group.average([p.grad for p in self._parameters if p.grad is not None])
            process_group.average([spent])
            self.spent_s = spent.item()

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.plan.average, (1 + self.step) / (10 + self.step))
        for name, module in self.modules.items():
            state = {k: v.detach() for k, v in module.state_dict().items()}
            if name not in self.averages:
                self.averages[name] = {k: v.clone() for k, v in state.items()}
            for key, mean in self.averages[name].items():
                if mean.is_floating_point():
                    mean.lerp_(state[key], 1 - decay)
                else:
                    mean.copy_(state[key])

    def _log(self, clock: "_Clock", figures: dict[str, float]) -> None:
        text = " ".join(f"{name}={value:.4f}" for name, value in figures.items())
        print(
            f"{time.strftime('%H:%M:%S')} step={self.step} spent_s={self.spent_s:.0f} "
            f"rate={self.rate():.1e} samples_per_s={clock.throughput():.0f} "
            f"processes={process_group.world_size()} {text}",
            flush=True,
        )


class _Clock:
    """Measures the time of steps, the throughput since the last log line, and due actions."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._due: dict[str, float] = {}
        self._since, self._count = self._last, 0

    def lap(self, count: int) -> float:
        now = time.monotonic()
        passed, self._last = now - self._last, now
        self._count += count
        # A suspended process does not spend its budget.
        return min(passed, _LONGEST_LAP_S)

    def due(self, name: str, every_s: float) -> bool:
        start = self._due.setdefault(name, self._last)
        if self._last - start < every_s:
            return False
        self._due[name] = self._last
        return True

    def throughput(self) -> float:
        now = time.monotonic()
        rate = self._count / max(now - self._since, 1e-6)
        self._since, self._count = now, 0
        return rate
