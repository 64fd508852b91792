"""Jobs that wait for small models of a `ModelManager`, each in a thread of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from brushwork_core.ledger import Claim, WriteOutcome
from brushwork_schemas.catalogue import AddOn, Model, Source
from brushwork_schemas.errors import ModelNotHere
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.attempt_start import AttemptStart
from brushwork_workers.execution.exclusive_gate import ExclusiveGate
from brushwork_workers.execution.service_health import ServiceHealth
from brushwork_workers.execution.service_patience import ServicePatience
from brushwork_workers.interface import LoadedModules, LoadSpec
from brushwork_workers.model_cache.cpu_cache import CpuCache
from brushwork_workers.model_cache.metrics import LoadMetrics
from brushwork_workers.model_cache.model_loader import ModelLoader
from brushwork_workers.model_cache.model_manager import ModelManager
from brushwork_workers.model_cache.residency import Residency
from prometheus_client import CollectorRegistry
from torch import nn

BOUND_S = 10.0
KIND = "image-classification"


class Weights(nn.Module):
    """So many bytes."""

    def __init__(self, num_bytes: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(num_bytes, dtype=torch.uint8))


class Idle:
    """A performer of nothing."""

    def warm_up(self) -> None:
        return

    def perform(self, request: Any, context: Any) -> dict[str, Any]:
        return {}


class Store:
    """Models of 60 bytes each, by name; how one is loaded the test may say."""

    def __init__(self) -> None:
        self.acts: dict[str, Callable[[], None]] = {}
        self.sizes: dict[str, int] = {}
        self.loaded: list[str] = []

    def model(self, name: str, *, memory_bytes: int = 60, kind: str = KIND) -> Model:
        family = "torchvision-classifier" if kind == KIND else "torchvision-segmenter"
        return Model(name=name, family=family, source=Source(folder=Path("/")), memory_bytes=memory_bytes)

    def loader(self) -> ModelLoader:
        loaders = {"torchvision-classifier": self.load, "torchvision-segmenter": self.load}
        return ModelLoader(loaders, torch.device("cpu"), SerialExecutor(), find=_find)

    def load(self, place: LoadSpec) -> LoadedModules:
        name = place.model.name
        self.acts.get(name, lambda: None)()
        self.loaded.append(name)
        handlers = {kind: Idle() for kind in place.kinds}
        return LoadedModules(handlers, [Weights(self.sizes.get(name, place.model.memory_bytes or 0))])


class Job:
    """A job that wants a model, in a thread of its own, and stays with it until it is told to leave."""

    def __init__(
        self,
        model_manager: ModelManager,
        model: Model,
        threads: ThreadPoolExecutor,
        exclusive_gate: ExclusiveGate,
        *,
        alone: bool = False,
    ) -> None:
        self.said: list[str] = []
        claim = Claim("job", KIND, model.name, {}, fence=1, attempt=1, queued_s=0.0, alone=alone)
        self.attempt = Attempt(claim)
        self.has_it = threading.Event()
        self._leaves = threading.Event()
        start = AttemptStart(
            self.attempt, self.ledger(), ServicePatience(ServiceHealth(), 0.0), exclusive_gate
        )
        self._done: Future[None] = threads.submit(self._run, model_manager, model, start)

    def ledger(self) -> Any:
        """A ledger that takes down what is noted there."""
        return SimpleNamespace(rest=self._say("rests"), perform=self._say("performs"))

    def _say(self, word: str) -> Callable[[str, int], WriteOutcome]:
        def say(job_id: str, fence: int) -> WriteOutcome:
            self.said.append(word)
            return WriteOutcome.APPLIED

        return say

    def _run(self, model_manager: ModelManager, model: Model, start: AttemptStart) -> None:
        with model_manager.reserve(model, start.while_waiting) as reservation, start.begun():
            served = model_manager.load(reservation, start.while_loading)
            assert served.model == model
            self.has_it.set()
            assert self._leaves.wait(BOUND_S)

    def gets_it(self) -> bool:
        return self.has_it.wait(BOUND_S)

    def leave(self) -> None:
        self._leaves.set()
        self.end()

    def end(self) -> None:
        """Wait for it; raises what it has met."""
        self._done.result(BOUND_S)


def manager(store: Store, registry: CollectorRegistry, **options: float) -> ModelManager:
    """Room for one model, and for two jobs that wait."""
    return ModelManager(
        store.loader(),
        Residency(100, stay_s=0.0),
        cpu_cache=CpuCache(0, torch.device("cpu")),
        metrics=LoadMetrics(registry),
        max_waiters=2,
        **options,
    )


def _find(entry: Model | AddOn) -> Path:
    if entry.name == "absent":
        raise ModelNotHere("It is not here.")
    return Path(__file__).parent / "nothing"
