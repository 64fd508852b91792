"""The exported models of this machine: each is exported once, also if several workers need it at once."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from brushwork_schemas.catalogue import Model
from filelock import FileLock

from brushwork_workers.engines.engine import engine_versions
from brushwork_workers.engines.exported_model import ExportedModel
from brushwork_workers.engines.model_export import ExportOrder
from brushwork_workers.models.revision import fingerprint, own_fingerprint, versions

LOGGER = logging.getLogger(__name__)
# Raised when the files that an export writes change, or what it compares.
FORMAT = 1
# An export of a large model takes minutes. The same limit holds for the wait for another worker's export.
EXPORT_LIMIT_S = 1500.0

Export = Callable[[ExportOrder, Path], None]
"""Exports a model into an empty folder, and writes its manifest. It may raise any exception."""


class ExportFailed(Exception):
    """An export ended without a manifest, for example because it ran out of memory or time."""


class EngineStore:
    """Exported models, by a hash of all that they depend on.

    Args:
        root: The folder of the exported models.
        export: Exports a model that is not there.
    """

    def __init__(self, root: Path, export: Export) -> None:
        self._root = root
        self._export = export

    def folder(self, order: ExportOrder) -> Path:
        """Return the folder of an exported model, whether it exists or not."""
        return self._root / _key(order)

    def find(self, order: ExportOrder) -> ExportedModel | None:
        """Return the manifest of an exported model; None if it has not been exported."""
        try:
            return ExportedModel.read(self.folder(order))
        except (OSError, ValueError):
            return None

    def get(self, order: ExportOrder) -> ExportedModel:
        """Return the manifest of an exported model, and export it first if it has not been exported.

        Raises:
            ExportFailed: The export ended without a manifest.
        """
        if (found := self.find(order)) is not None:
            return found
        target = self.folder(order)
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with FileLock(self._root / f"{target.name}.lock", timeout=EXPORT_LIMIT_S):
                return self.find(order) or self._exported(order, target)
        except (OSError, TimeoutError) as error:
            raise ExportFailed(f"{type(error).__name__}: {error}") from error

    def _exported(self, order: ExportOrder, target: Path) -> ExportedModel:
        name, engine = order.model.name, order.model.engine
        LOGGER.info("Model %s is exported for %s; the next load will find it", name, engine)
        written = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.rmtree(written, ignore_errors=True)
        written.mkdir()
        try:
            self._export(order, written)
            found = ExportedModel.read(written)
            shutil.rmtree(target, ignore_errors=True)
            written.rename(target)
        except Exception as error:
            raise ExportFailed(f"{type(error).__name__}: {error}") from error
        finally:
            shutil.rmtree(written, ignore_errors=True)
        LOGGER.info("Model %s: %s", name, found.summary())
        return found


def _key(order: ExportOrder) -> str:
    """Return a hash of the files of a model, its entry, and the versions of what exports and runs it.

    Adapters are not part of it: an engine has the model without them.
    """
    model: Model = order.model
    entry = model.model_dump(mode="json", include={"family", "kinds", "engine", "safety_checker", "source"})
    # The files count, not their place.
    for place in ("folder", "file"):
        entry["source"].pop(place, None)
    depends_on = {
        "format": FORMAT,
        "entry": entry,
        "files": fingerprint(order.folder) + own_fingerprint(model, order.folder),
        "precision": order.precision,
        "versions": versions() | engine_versions(model.engine),
    }
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:32]
