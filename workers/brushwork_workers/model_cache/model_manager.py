"""The models of one device: those that fit stay loaded, the others take turns. See docs/model_cache.md."""

import gc
import logging
import math
import random
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context

from brushwork_schemas.catalogue import TRAINED, Model, trained_model
from brushwork_schemas.errors import BrushworkError, ModelTooLarge, ModelUnavailable
from brushwork_schemas.wording.phrase import said

from brushwork_workers.device.accelerator import empty_cache
from brushwork_workers.device.failures import coded_error
from brushwork_workers.model_cache.cpu_cache import CpuCache
from brushwork_workers.model_cache.load_backoff import without_traceback
from brushwork_workers.model_cache.load_postponed import LoadPostponed
from brushwork_workers.model_cache.load_queue import LoadQueue
from brushwork_workers.model_cache.loaded_model import LoadedModel
from brushwork_workers.model_cache.metrics import LoadMetrics
from brushwork_workers.model_cache.model_loader import ModelLoader
from brushwork_workers.model_cache.reservation import Loading, Reservation, WhileWaiting
from brushwork_workers.model_cache.residency import Load, LoadLater, Residency
from brushwork_workers.model_cache.unavailable_models import UnavailableModels

LOGGER = logging.getLogger(__name__)
CHECK_EVERY_S = 0.5
# A postponed job returns after so long: soon enough for its model, and not too often for the ledger.
SHORTEST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 10.0
# Random share added to each pause, so that postponed jobs do not return together.
SPREAD = 0.3
# A load that takes longer than this, and longer than from a very slow disk, counts as hung.
LOAD_LIMIT_S = 300.0
SLOWEST_BYTES_PER_S = 32 * 2**20


class ModelManager:
    """Loads models and lends them to jobs. A model that cannot be loaded does not affect the others.

    A job reserves its model in two steps: `reserve` waits until the model is loaded or its load is due, and
    `load` returns it. Between the two the job begins: an error of the load is then its own.

    Args:
        loader: Loads models.
        residency: Decides which models are on the device, and which is loaded next.
        cpu_cache: Keeps models that leave the device.
        metrics: Counts loads and evictions.
        max_waiters: Most jobs that may wait for a model in their threads.
        load_limit_s: A load counts as making progress for so many seconds, plus the time to read the model
            from a very slow disk.
    """

    def __init__(
        self,
        loader: ModelLoader,
        residency: Residency,
        *,
        cpu_cache: CpuCache,
        metrics: LoadMetrics,
        max_waiters: int,
        load_limit_s: float = LOAD_LIMIT_S,
    ) -> None:
        self._loader = loader
        self._residency = residency
        self._cpu_cache = cpu_cache
        self._metrics = metrics
        self._queue = LoadQueue(max_waiters)
        self._models: dict[str, Model] = {}
        self._loaded_models: dict[str, LoadedModel] = {}
        self._unavailable = UnavailableModels(metrics)
        self._changed = threading.Condition()
        self._loading: Loading | None = None
        self._load_thread: threading.Thread | None = None
        self._is_stopping = False
        self._load_limit_s = load_limit_s

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models that this worker serves: loaded, or loaded when a job asks for them."""
        return tuple(name for name, model in self._models.items() if self._unavailable.may_load(model))

    def sizes(self) -> dict[str, int]:
        """Return the models on the device, and the bytes that each takes."""
        with self._changed:
            return {resident.name: resident.size_bytes for resident in self._residency.residents}

    def open(self, models: Iterable[Model]) -> None:
        """Set the models to serve, and load those that fit, the first model of each kind first."""
        models = list(models)
        self._models = {model.name: model for model in models}
        for model in _first_of_each_kind_first(models):
            try:
                self._load_at_start(model)
            except BrushworkError as error:
                self._note_failure(model, error)
        if missing := self._unavailable.missing:
            LOGGER.info(
                "Models whose files are missing; they are served once the files are here: %s",
                ", ".join(missing),
            )

    def named(self, name: str, kind: str) -> Model:
        """Return the entry of a served model, or of a model that a job has trained.

        Raises:
            ModelUnavailable: This worker does not serve the model.
            UnknownModel: It is a trained model of another kind.
        """
        if name in self._models:
            return self._models[name]
        if name.startswith(TRAINED):
            return trained_model(name, kind)
        raise ModelUnavailable(
            said("This worker does not serve model {name}.", name=name),
            field="model",
            hint=said(
                "It serves {value}. Restart the worker after a change of the catalogue or of "
                "BRUSHWORK_MODELS.",
                value=", ".join(self.names) or "no models",
            ),
        )

    def loaded(self, name: str) -> LoadedModel | None:
        """Return a model that is on the device at this moment; without `reserve` it may leave at any time."""
        return self._loaded_models.get(name)

    @contextmanager
    def reserve(self, model: Model, while_waiting: WhileWaiting) -> Iterator[Reservation]:
        """Wait until the model is loaded or its load is due, and keep it inside the block.

        Args:
            model: The model; it need not be one of those that were passed to `open`.
            while_waiting: Called again and again during the wait.

        Raises:
            ModelUnavailable: The model cannot be loaded.
            LoadPostponed: The model cannot be loaded soon, or this worker is stopping.
        """
        reservation = Reservation(model)
        try:
            self._enqueue(reservation)
            self._wait(reservation, while_waiting)
            yield reservation
        finally:
            self._release(reservation)

    def load(self, reservation: Reservation, while_loading: WhileWaiting) -> LoadedModel:
        """Return the reserved model, loading it if necessary.

        The load runs in a thread of its own, so that the job can be stopped meanwhile; the model then stays.

        Args:
            reservation: Given by `reserve`, whose block is still open.
            while_loading: Called again and again during the load.

        Raises:
            ModelUnavailable: The model cannot be loaded.
            LoadPostponed: The worker is stopping.
        """
        while not reservation.is_taken:
            if reservation.load is not None:
                self._start_load(reservation, reservation.load)
            self._wait(reservation, while_loading)
        return self._loaded_models[reservation.model.name]

    def stop_loading(self) -> None:
        """Start no more loads, and let no job wait: the worker is about to stop."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def close(self, timeout_s: float = 60.0) -> None:
        """Wait for a load that is on its way: a process that exits in the middle of one is aborted."""
        self.stop_loading()
        thread = self._load_thread
        if thread is not None:
            thread.join(timeout_s)

    def _enqueue(self, reservation: Reservation) -> None:
        model = reservation.model
        with self._changed:
            if self._take(reservation):
                return
        self._unavailable.check(model.name)
        size_bytes = self._size_bytes(model)
        with self._changed:
            since_s = self._residency.request(model.name, size_bytes, time.monotonic())
            reservation.waiter = self._queue.enter(model.name, since_s)
            self._changed.notify_all()
        if reservation.waiter is None:
            raise self._postponed(model.name)

    def _wait(self, reservation: Reservation, while_waiting: WhileWaiting) -> None:
        """Wait until the model is taken or its load is due."""
        while not reservation.is_taken and reservation.load is None:
            with self._changed:
                pause_s = self._advance(reservation)
                if pause_s is not None:
                    self._changed.wait(pause_s)
            if pause_s is not None:
                while_waiting(self._is_load_active())

    def _advance(self, reservation: Reservation) -> float | None:
        """Take the model or its load, if possible; else return the seconds to wait. The lock is held."""
        name, waiter, now_s = reservation.model.name, reservation.waiter, time.monotonic()
        if self._take(reservation) or waiter is None:
            return None
        if waiter.error is not None:
            raise without_traceback(waiter.error)
        if self._is_stopping or waiter.is_displaced:
            raise self._postponed(name)
        self._residency.request(name, 0, now_s)
        if not self._residency.fits_alone(name):
            raise self._too_large(reservation.model)
        if self._loading is not None:
            return CHECK_EVERY_S
        plan = self._residency.plan(self._queue.names, now_s)
        # The plan may have stopped draining this very model.
        if self._take(reservation):
            return None
        if isinstance(plan, LoadLater):
            return CHECK_EVERY_S if plan.at_s is None else min(CHECK_EVERY_S, max(0.0, plan.at_s - now_s))
        if plan.name != name:
            self._changed.notify_all()
            return CHECK_EVERY_S
        self._residency.begin(plan)
        waiter.is_pinned = True
        reservation.load, self._loading = plan, Loading(plan, math.inf)
        return None

    def _take(self, reservation: Reservation) -> bool:
        """Count the model as used by this job, if it is on the device. The lock is held."""
        if not self._residency.take(reservation.model.name, time.monotonic()):
            return False
        reservation.is_taken = True
        self._leave_queue(reservation)
        return True

    def _release(self, reservation: Reservation) -> None:
        with self._changed:
            if reservation.is_taken:
                self._residency.give_back(reservation.model.name, time.monotonic())
            # The job has not begun, so the load was not started.
            if reservation.load is not None:
                self._residency.cancel(reservation.load)
                self._loading = None
            self._leave_queue(reservation)

    def _leave_queue(self, reservation: Reservation) -> None:
        if reservation.waiter is not None:
            self._queue.leave(reservation.waiter)
            reservation.waiter = None
        self._changed.notify_all()

    def _size_bytes(self, model: Model) -> int:
        try:
            size_bytes = self._loader.size_bytes(model)
        except ModelUnavailable as error:
            self._note_failure(model, error)
            raise
        self._unavailable.note_found(model.name)
        return size_bytes

    def _start_load(self, reservation: Reservation, load: Load) -> None:
        with self._changed:
            reading_s = self._residency.size_bytes(load.name) / SLOWEST_BYTES_PER_S
            limit_s = self._load_limit_s + reading_s + self._loader.export_limit_s(reservation.model)
            self._loading = Loading(load, time.monotonic() + limit_s)
            # In this job's context, so that the log lines of the load have its id.
            run = copy_context().run
            arguments = (self._load, reservation.model, load)
            self._load_thread = threading.Thread(target=run, args=arguments, name="loading", daemon=True)
            self._load_thread.start()
            reservation.load = None

    def _load(self, model: Model, load: Load) -> None:
        """Load a model in a thread of its own; raises nothing."""
        try:
            self._evict([resident.name for resident in load.evicted])
            self._add(self._cpu_cache.take(model.name) or self._loader.load(model), is_requested=True)
        except BaseException as error:
            self._note_failure(model, coded_error(error))
        finally:
            # No budget counts what was loaded before the load failed.
            if model.name not in self._loaded_models:
                _free_memory()
            with self._changed:
                self._loading = None
                self._changed.notify_all()

    def _load_at_start(self, model: Model) -> None:
        size_bytes = self._loader.size_bytes(model)
        if size_bytes > self._residency.budget_bytes:
            self._residency.request(model.name, size_bytes, time.monotonic())
            raise self._too_large(model)
        if size_bytes <= self._residency.free_bytes:
            self._add(self._loader.load(model), is_requested=False)

    def _add(self, loaded_model: LoadedModel, *, is_requested: bool) -> None:
        """Keep a loaded model, unless it is larger than estimated and does not fit."""
        name = loaded_model.model.name
        with self._changed:
            fits = self._residency.add(
                name,
                loaded_model.size_bytes,
                loaded_model.loading_s,
                time.monotonic(),
                is_requested=is_requested,
            )
            if fits:
                self._loaded_models[name] = loaded_model
        self._unavailable.note_loaded(name)
        self._metrics.loaded(name, loaded_model.loading_s)
        if not fits:
            size_bytes = loaded_model.size_bytes
            LOGGER.warning("Model %s takes %d bytes, more than estimated from its files", name, size_bytes)
            del loaded_model
            _free_memory()

    def _evict(self, names: Sequence[str]) -> None:
        for name in names:
            loaded_model = self._loaded_models.pop(name)
            is_cached = self._cpu_cache.put(loaded_model)
            LOGGER.info("Model %s left the device%s", name, " and is kept in CPU memory" if is_cached else "")
            self._metrics.evicted(name)
            del loaded_model
        if names:
            _free_memory()

    def _note_failure(self, model: Model, error: BrushworkError) -> None:
        """Record that a model cannot be loaded, and end the waits for it."""
        self._unavailable.note_failed(model, error, is_served=model.name in self._models)
        with self._changed:
            self._residency.withdraw(model.name)
            self._queue.fail(model.name, without_traceback(error))

    def _postponed(self, name: str) -> LoadPostponed:
        if self._is_stopping:
            return LoadPostponed(0.0)
        with self._changed:
            expected_s = self._residency.expected_wait_s(name, time.monotonic())
        pause_s = min(max(SHORTEST_PAUSE_S, expected_s), LONGEST_PAUSE_S)
        # The random number protects no secret.
        return LoadPostponed(pause_s * (1 + SPREAD * random.random()))  # noqa: S311

    def _too_large(self, model: Model) -> ModelTooLarge:
        takes, there = self._residency.size_bytes(model.name) / 2**30, self._residency.budget_bytes / 2**30
        self._residency.withdraw(model.name)
        return ModelTooLarge(
            said(
                "Model {model} needs {takes:.2f} GiB; the models of this worker may use {there:.2f} GiB.",
                model=model.name,
                takes=takes,
                there=there,
            ),
            field="model",
            hint="Set BRUSHWORK_MODEL_MEMORY_GB higher if the device has more memory, or set "
            'placement = "cpu" for the model in the catalogue.',
        )

    def _is_load_active(self) -> bool:
        loading = self._loading
        return loading is None or time.monotonic() < loading.until_s


def _first_of_each_kind_first(models: Sequence[Model]) -> list[Model]:
    firsts: dict[str, str] = {}
    for model in models:
        for kind in model.kinds:
            firsts.setdefault(kind, model.name)
    return sorted(models, key=lambda model: model.name not in firsts.values())


def _free_memory() -> None:
    # Modules refer to each other in cycles, which only the garbage collector frees.
    gc.collect()
    empty_cache()
