"""The models of one device: those that fit are loaded, the others take turns. See docs/model_cache.md."""

import gc
import logging
import math
import random
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from brushwork_schemas.catalogue import TRAINED, Model, trained_model
from brushwork_schemas.errors import BrushworkError, ModelNotHere, ModelTooLarge, ModelUnavailable

from brushwork_workers.execution.metrics import Metrics
from brushwork_workers.execution.retries import sorted_error
from brushwork_workers.model_cache.cpu_cache import CpuCache
from brushwork_workers.model_cache.load_backoff import LoadBackoff, anew
from brushwork_workers.model_cache.load_queue import LoadQueue, Waiter
from brushwork_workers.model_cache.loaded_model import LoadedModel
from brushwork_workers.model_cache.model_loader import ModelLoader
from brushwork_workers.model_cache.residency import Load, LoadLater, Residency
from brushwork_workers.model_cache.turn import NotYet, Turn

LOGGER = logging.getLogger(__name__)
LOOK_S = 0.5
# A job that goes back comes again after so long: soon enough for its turn, and not too often for the ledger.
SHORTEST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 10.0
# They are not to come together.
SPREAD = 0.3
# A load that takes longer than it would from the slowest disk is no sign of life any more.
LOADING_S = 300.0
SLOWEST_BYTES_PER_S = 32 * 2**20


@dataclass(frozen=True)
class Loading:
    """A load on its way.

    Args:
        load: Of which model, and which have gone for it.
        until_s: Until then it counts as a sign of life.
    """

    load: Load
    until_s: float


class ModelManager:
    """Loaded models, borrowed by jobs. One that can't be loaded is noted; the others serve on.

    Args:
        loader: Loads them.
        residency: Says which are on the device, and which come next.
        max_waiters: How many jobs may wait for a model in their threads.
        cpu_cache: Where those go that leave the device.
        metrics: Counts what is loaded and what goes.
        patience_s: A load counts as a sign of life for so long, and for as long as a slow disk would take.
    """

    def __init__(
        self,
        loader: ModelLoader,
        residency: Residency,
        *,
        max_waiters: int = 1,
        cpu_cache: CpuCache | None = None,
        metrics: Metrics | None = None,
        patience_s: float = LOADING_S,
    ) -> None:
        self._loader = loader
        self._residency = residency
        self._room = LoadQueue(max_waiters)
        self._cpu_cache = cpu_cache or CpuCache(0, torch.device("cpu"))
        self._metrics = metrics or Metrics()
        self._models: dict[str, Model] = {}
        self._not_here: set[str] = set()
        self._loaded_models: dict[str, LoadedModel] = {}
        self._refusals = LoadBackoff()
        self._changed = threading.Condition()
        self._loading: Loading | None = None
        self._thread: threading.Thread | None = None
        self._rests = False
        self._patience_s = patience_s

    @property
    def names(self) -> tuple[str, ...]:
        """Models that this worker serves, loaded or to be loaded when a job asks for them."""
        return tuple(
            name for name in self._models if name not in self._refusals and name not in self._not_here
        )

    @property
    def loaded(self) -> dict[str, int]:
        """The models on the device, and what each takes in bytes."""
        with self._changed:
            return {resident.name: resident.size_bytes for resident in self._residency.residents}

    @property
    def budget_bytes(self) -> int:
        """What they may take together."""
        return self._residency.budget_bytes

    def open(self, models: Iterable[Model]) -> None:
        """Say what is served, and load and warm up what fits: of each kind the first first."""
        models = list(models)
        self._models = {model.name: model for model in models}
        for model in _firsts_first(models):
            try:
                self._load_at_start(model)
            except BrushworkError as error:
                self._refuse(model, error)
        if self._not_here:
            LOGGER.info("Not here, and served once they are: %s", ", ".join(sorted(self._not_here)))

    def named(self, name: str, kind: str) -> Model:
        """The entry of that name: one of those that this worker serves, or a model that a job has trained.

        Raises:
            ModelUnavailable: This worker does not serve it.
            UnknownModel: A trained model serves another kind.
        """
        if name in self._models:
            return self._models[name]
        if name.startswith(TRAINED):
            return trained_model(name, kind)
        raise ModelUnavailable(
            f"This worker does not serve model {name}.",
            field="model",
            hint=f"It serves {', '.join(self.names) or 'none'}. "
            "Start it anew after a change of the catalogue or of BRUSHWORK_MODELS.",
        )

    @contextmanager
    def borrow(self, model: Model, turn: Turn) -> Iterator[LoadedModel]:
        """The loaded model, which stays as long as somebody is inside.

        Args:
            model: Which; it need not be one of those that were named at the start.
            turn: The job that wants it: asked while it waits, told when it begins.

        Raises:
            ModelUnavailable: It can't be loaded.
            NotYet: Its turn is some time off.
            JobStopped: The job is to stop.
        """
        has_begun = self._take(model, turn)
        try:
            if not has_begun:
                turn.begin()
            yield self._loaded_models[model.name]
        finally:
            with self._changed:
                self._residency.give_back(model.name, time.monotonic())
                self._changed.notify_all()

    def rest(self) -> None:
        """This worker is about to stop: nobody is to wait any more."""
        with self._changed:
            self._rests = True
            self._changed.notify_all()

    def close(self, timeout_s: float = 60.0) -> None:
        """Wait for a load that is on its way: a process that ends in the midst of one is aborted."""
        self.rest()
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _take(self, model: Model, turn: Turn) -> bool:
        """Have the model counted as used by this job; whether that has begun already, while it waited."""
        with self._changed:
            if self._residency.take(model.name, time.monotonic()):
                return False
        self._refusals.check(model.name)
        size_bytes = self._size_bytes(model)
        with self._changed:
            since_s = self._residency.want(model.name, size_bytes, time.monotonic())
            seat = self._room.enter(model.name, since_s)
            self._changed.notify_all()
        if seat is None:
            raise self._not_yet(model.name)
        try:
            return self._wait(model, seat, turn)
        finally:
            with self._changed:
                self._room.leave(seat)
                self._changed.notify_all()

    def _size_bytes(self, model: Model) -> int:
        try:
            size_bytes = self._loader.size_bytes(model)
        except ModelUnavailable as error:
            self._refuse(model, error)
            raise
        self._not_here.discard(model.name)
        return size_bytes

    def _wait(self, model: Model, seat: Waiter, turn: Turn) -> bool:
        """Until the model is taken; whether the job has begun meanwhile, as it is loaded for its sake."""
        has_begun = False
        while True:
            with self._changed:
                step = self._step(model, seat)
                if isinstance(step, float):
                    self._changed.wait(step)
            if step is None:
                return has_begun
            if isinstance(step, Load):
                self._load_for(model, step, turn)
                has_begun = True
            elif not has_begun:
                turn.wait()
            turn.check(moves=self._is_moving())

    def _step(self, model: Model, seat: Waiter) -> Load | float | None:
        """What one who waits does next: load its model, wait for so long, or, None, it has it."""
        now_s = time.monotonic()
        if self._residency.take(model.name, now_s):
            return None
        if seat.error is not None:
            raise anew(seat.error)
        if self._rests or seat.is_lost:
            raise self._not_yet(model.name)
        self._residency.want(model.name, 0, now_s)
        if not self._residency.fits_alone(model.name):
            raise self._too_large(model)
        if self._loading is not None:
            return LOOK_S
        plan = self._residency.plan(self._room.names, now_s)
        # It may have been to go for the sake of one who waits no longer.
        if self._residency.take(model.name, now_s):
            return None
        if isinstance(plan, LoadLater):
            return LOOK_S if plan.at_s is None else min(LOOK_S, max(0.0, plan.at_s - now_s))
        if plan.name != model.name:
            self._changed.notify_all()
            return LOOK_S
        self._residency.begin(plan)
        seat.is_kept = True
        self._loading = Loading(plan, math.inf)
        return plan

    def _load_for(self, model: Model, load: Load, turn: Turn) -> None:
        """Begin, and have the model loaded by a thread of its own: this one can still be told to stop."""
        try:
            turn.begin()
        except BaseException:
            with self._changed:
                self._residency.call_off(load)
                self._loading = None
                self._changed.notify_all()
            raise
        with self._changed:
            reading_s = self._residency.size_bytes(load.name) / SLOWEST_BYTES_PER_S
            self._loading = Loading(load, time.monotonic() + self._patience_s + reading_s)
            self._thread = threading.Thread(
                target=self._load, args=(model, load), name="loading", daemon=True
            )
            self._thread.start()

    def _load(self, model: Model, load: Load) -> None:
        """What the thread does that loads: raises nothing."""
        try:
            self._put_away([resident.name for resident in load.gone])
            self._settle(self._cpu_cache.take(model.name) or self._loader.load(model), asked=True)
        except BaseException as error:
            self._refuse(model, sorted_error(error))
        finally:
            # What was loaded before it failed is in nobody's budget.
            if model.name not in self._loaded_models:
                _give_memory_back()
            with self._changed:
                self._loading = None
                self._changed.notify_all()

    def _load_at_start(self, model: Model) -> None:
        size_bytes = self._loader.size_bytes(model)
        if size_bytes > self._residency.budget_bytes:
            self._residency.want(model.name, size_bytes, time.monotonic())
            raise self._too_large(model)
        if size_bytes <= self._residency.free_bytes:
            self._settle(self._loader.load(model), asked=False)

    def _settle(self, loaded_model: LoadedModel, *, asked: bool) -> None:
        """Have the loaded model on the shelf, unless it is larger than was said and does not fit."""
        name = loaded_model.model.name
        with self._changed:
            fits = self._residency.settle(
                name, loaded_model.size_bytes, loaded_model.loading_s, time.monotonic(), asked=asked
            )
            if fits:
                self._loaded_models[name] = loaded_model
        self._refusals.clear(name)
        self._metrics.loaded(name, loaded_model.loading_s)
        if not fits:
            LOGGER.warning("Model %s takes %d bytes, more than its files said", name, loaded_model.size_bytes)
            del loaded_model
            _give_memory_back()

    def _put_away(self, names: Sequence[str]) -> None:
        for name in names:
            loaded_model = self._loaded_models.pop(name)
            is_kept = self._cpu_cache.keep(loaded_model)
            LOGGER.info("Model %s makes room%s", name, " and waits in the CPU's memory" if is_kept else "")
            self._metrics.evicted(name)
            del loaded_model
        if names:
            _give_memory_back()

    def _refuse(self, model: Model, error: BrushworkError) -> None:
        """Note that a model can't be loaded, and tell those who wait for it."""
        if isinstance(error, ModelNotHere) and model.source.folder is None:
            # Nothing is wrong: nobody has fetched it.
            if model.name in self._models:
                self._not_here.add(model.name)
        else:
            self._metrics.loaded(model.name, None)
            LOGGER.error("Model %s will not serve: %s", model.name, anew(error))
            # Too little memory may be enough for the next job, which runs alone.
            if isinstance(error, ModelUnavailable):
                self._refusals.add(model.name, error)
        with self._changed:
            self._residency.give_up(model.name)
            self._room.tell(model.name, anew(error))

    def _not_yet(self, name: str) -> NotYet:
        if self._rests:
            return NotYet(0.0)
        with self._changed:
            expected_s = self._residency.pause_s(name, time.monotonic())
        pause_s = min(max(SHORTEST_PAUSE_S, expected_s), LONGEST_PAUSE_S)
        # Not for secrecy.
        return NotYet(pause_s * (1 + SPREAD * random.random()))  # noqa: S311

    def _too_large(self, model: Model) -> ModelTooLarge:
        takes, there = self._residency.size_bytes(model.name) / 2**30, self._residency.budget_bytes / 2**30
        self._residency.give_up(model.name)
        return ModelTooLarge(
            f"Model {model.name} takes {takes:.2f} GiB, and the models of this worker may take {there:.2f}.",
            field="model",
            hint="Raise BRUSHWORK_MODEL_MEMORY_GB if the device has more, or have it on the CPU with "
            'placement = "cpu" in the catalogue.',
        )

    def _is_moving(self) -> bool:
        loading = self._loading
        return loading is None or time.monotonic() < loading.until_s


def _firsts_first(models: Sequence[Model]) -> list[Model]:
    """The first model of each kind, then the others, both in the order of the catalogue."""
    firsts: dict[str, str] = {}
    for model in models:
        for kind in model.kinds:
            firsts.setdefault(kind, model.name)
    return sorted(models, key=lambda model: model.name not in firsts.values())


def _give_memory_back() -> None:
    # Modules refer to each other in circles.
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
