"""Models that cannot be loaded at the moment: their files are missing, or their load has failed."""

import logging

from brushwork_core.files.model_folders import is_here
from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import BrushworkError, ModelNotHere, ModelUnavailable

from brushwork_workers.model_cache.load_backoff import LoadBackoff, without_traceback
from brushwork_workers.model_cache.metrics import LoadMetrics

LOGGER = logging.getLogger(__name__)


class UnavailableModels:
    """Knows why models of a worker cannot be loaded.

    Args:
        metrics: Counts failed loads.
    """

    def __init__(self, metrics: LoadMetrics) -> None:
        self._metrics = metrics
        self._backoff = LoadBackoff()
        self._not_here: set[str] = set()

    @property
    def missing(self) -> list[str]:
        """Names of the served models whose files were missing, in order."""
        return sorted(self._not_here)

    def may_load(self, model: Model) -> bool:
        """Return whether a load may succeed. Files that were missing may have been pulled since."""
        is_absent = model.name in self._not_here and not is_here(model.source)
        return model.name not in self._backoff and not is_absent

    def check(self, name: str) -> None:
        """Raise the error of the last load, if it is too early to try again.

        Raises:
            ModelUnavailable: The model could not be loaded.
        """
        self._backoff.check(name)

    def note_found(self, name: str) -> None:
        """Record that the files of a model are here."""
        self._not_here.discard(name)

    def note_loaded(self, name: str) -> None:
        """Record that a model could be loaded."""
        self._backoff.clear(name)

    def note_failed(self, model: Model, error: BrushworkError, *, is_served: bool) -> None:
        """Record that a model could not be loaded.

        Args:
            model: The model.
            error: The reason.
            is_served: Whether it is one of the models that the worker was started with.
        """
        if isinstance(error, ModelNotHere) and _can_be_pulled(model):
            # No failure: its files have not been downloaded yet.
            if is_served:
                self._not_here.add(model.name)
            return
        self._metrics.failed(model.name)
        LOGGER.error("Model %s cannot be loaded: %s", model.name, without_traceback(error))
        # After an OutOfMemory the next job may succeed, because it runs alone.
        if isinstance(error, ModelUnavailable):
            self._backoff.add(model.name, error)


def _can_be_pulled(model: Model) -> bool:
    """Return whether files of a model that are missing may be pulled later."""
    source = model.source
    return source.folder is None and (source.file is None or source.file.is_file())
