"""The models of this worker, loaded and warmed up before it takes work."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from brushwork_schemas.catalogue import TRAINED, Model, trained_model
from brushwork_schemas.errors import BrushworkError, ModelUnavailable
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from brushwork_workers.calls import Calls
from brushwork_workers.device import choose_dtype, device_name
from brushwork_workers.model_files import locate, revision
from brushwork_workers.served import Loader, Place, Served
from brushwork_workers.turn import Turn

LOGGER = logging.getLogger(__name__)


class Shelf:
    """Loaded models by name. One that can't be loaded is noted with its reason; the others serve on.

    Args:
        loaders: How each family's models are loaded.
        device: Onto what.
        calls: Through which their heavy calls go.
        on_load: Told of each model, and after how many seconds it was ready; None: it can't be loaded.
    """

    def __init__(
        self,
        loaders: Mapping[str, Loader],
        device: torch.device,
        calls: Calls,
        on_load: Callable[[str, float | None], None] = lambda model, seconds: None,
    ) -> None:
        self._loaders = loaders
        self._device = device
        self._calls = calls
        self._on_load = on_load
        self._served: dict[str, Served] = {}
        self._models: dict[str, Model] = {}
        self._loading = threading.Lock()
        self._missing: dict[str, ModelUnavailable] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Models that are ready."""
        return tuple(self._served)

    def load(self, models: Iterable[Model]) -> None:
        """Load and warm up these models, one after another."""
        diffusers_logging.disable_progress_bar()
        transformers_logging.disable_progress_bar()
        for model in models:
            self._models[model.name] = model
            try:
                self._served[model.name] = self._loaded(model)
                self._on_load(model.name, self._served[model.name].loading_s)
            except ModelUnavailable as error:
                self._on_load(model.name, None)
                LOGGER.error("Model %s will not serve: %s", model.name, error)
                self._missing[model.name] = error

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
            hint=f"It serves {', '.join(self._served) or 'none'}; see BRUSHWORK_MODELS.",
        )

    @contextmanager
    def borrow(self, model: Model, turn: Turn) -> Iterator[Served]:
        """The loaded model, which stays as long as somebody is inside.

        Args:
            model: Which; it need not be one of those that were loaded at the start.
            turn: The job that wants it: asked while it waits, told when it begins.

        Raises:
            ModelUnavailable: It can't be loaded.
            NotYet: Its turn is some time off.
            JobStopped: The job is to stop.
        """
        if model.name in self._missing:
            earlier = self._missing[model.name]
            raise ModelUnavailable(earlier.message, field=earlier.field, hint=earlier.hint)
        with self._loading:
            if model.name not in self._served:
                self._served[model.name] = self._loaded(model)
        turn.begin()
        yield self._served[model.name]

    def _loaded(self, model: Model) -> Served:
        began = time.monotonic()
        folder = locate(model)
        dtype = choose_dtype(model.dtype, self._device)
        try:
            place = Place(model, folder, self._device, dtype, self._calls, model.kinds)
            loaded = self._loaders[model.family](place)
            for performer in loaded.performers.values():
                performer.warm_up()
        except BrushworkError:
            raise
        # Loading runs other libraries over files of any content: whatever they raise, this model is out.
        except Exception as error:
            LOGGER.debug("Loading %s failed", model.name, exc_info=True)
            raise ModelUnavailable(
                f"Model {model.name} can't be loaded from {folder}: {type(error).__name__}: {error}.",
                field="source",
                hint="Check that its files are complete and of the classes that the catalogue names.",
            ) from error
        loading_s = time.monotonic() - began
        LOGGER.info("Model %s is ready on %s after %.1f s", model.name, self._device, loading_s)
        return Served(
            model=model,
            performers=loaded.performers,
            revision=revision(model, folder),
            device=device_name(self._device),
            dtype=str(dtype).removeprefix("torch."),
            loading_s=loading_s,
        )
