"""Loads a model of the catalogue: finds and verifies its files, loads, tunes and warms it up."""

import gc
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from brushwork_core.files.model_folders import is_here, place_of
from brushwork_schemas.catalogue import AddOn, Model
from brushwork_schemas.errors import BrushworkError, ModelNotHere, ModelUnavailable
from brushwork_schemas.plugins import FAMILIES, OWN, distribution_of
from brushwork_schemas.wording.phrase import private, said
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from brushwork_workers.batching.engine_use import TORCH
from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.device.failures import coded_error
from brushwork_workers.device.selection import choose_dtype, device_name
from brushwork_workers.engines.attached_engines import AttachedEngines
from brushwork_workers.engines.compiled_engine import NAME as COMPILED
from brushwork_workers.engines.engine import check_installed
from brushwork_workers.engines.engine_store import EXPORT_LIMIT_S
from brushwork_workers.engines.model_engines import ModelEngines
from brushwork_workers.engines.model_export import modules_of
from brushwork_workers.interface import FoundAddOn, LoadedModules, Loader, LoadSpec
from brushwork_workers.model_cache import tuning
from brushwork_workers.model_cache.footprint import estimated_bytes, module_bytes
from brushwork_workers.model_cache.loaded_model import LoadedModel
from brushwork_workers.models.checkpoints.own_parts import FolderPart, own_parts
from brushwork_workers.models.layout import files_to_load
from brushwork_workers.models.listing import FolderListing
from brushwork_workers.models.location import listed, locate
from brushwork_workers.models.revision import revision
from brushwork_workers.models.weights import SAFETENSORS

LOGGER = logging.getLogger(__name__)
# The device, not the files of the model, is the cause of these: they are raised under their own codes.
_DEVICE_ERRORS = (MemoryError, torch.OutOfMemoryError, torch.AcceleratorError)


class ModelLoader:
    """Loads models, each by the loader of its family. Safe to use from any thread.

    Args:
        loaders: The loader of each family.
        device: The device to load models onto.
        model_executor: Runs the heavy calls of the models.
        add_ons: The add-ons of the catalogue.
        find: Returns the folder of an entry's files after verifying them; raises `ModelUnavailable`.
        engines: Prepares the engines of models; None to run everything in torch.
    """

    def __init__(
        self,
        loaders: Mapping[str, Loader],
        device: torch.device,
        model_executor: ModelExecutor,
        add_ons: Iterable[AddOn] = (),
        find: Callable[[Model | AddOn], Path] = locate,
        engines: ModelEngines | None = None,
    ) -> None:
        self._loaders = loaders
        self._device = device
        self._model_executor = model_executor
        self._add_ons = tuple(add_ons)
        self._find = find
        self._engines = engines
        diffusers_logging.disable_progress_bar()
        transformers_logging.disable_progress_bar()

    def size_bytes(self, model: Model) -> int:
        """Estimate the bytes that a model will take on the device.

        Raises:
            ModelUnavailable: Its files are missing or invalid.
        """
        tuning.check(model)
        check_installed(model)
        # Not `find`, which reads all files completely; that happens when the model is loaded.
        folder = place_of(model.source) if is_here(model.source) else self._find(model)
        if folder is None or self._is_elsewhere(model) or model.memory_bytes is not None:
            return 0 if self._is_elsewhere(model) else model.memory_bytes or 0
        is_own = is_here(model.source)
        names = listed(model)[1] if is_own else files_to_load(model, FolderListing(folder))
        try:
            sizes = self._part_sizes(model, folder, names)
            return (max if model.placement == "model_offload" else sum)([0, *sizes])
        except (OSError, ValueError, KeyError) as error:
            raise _unloadable(model, folder, error) from error

    def _part_sizes(self, model: Model, folder: Path, names: Iterable[str]) -> list[int]:
        """Return the bytes of each module of a model, by the headers of its files."""
        dtype, own = self._dtype(model), own_parts(model, folder)
        files = [folder / name for name in names if name.endswith(SAFETENSORS)]
        sizes = [
            estimated_bytes(part, dtype)
            for part in _by_folder(files)
            if part[0].parent.relative_to(folder).as_posix() not in own
        ]
        for part in own.values():
            if isinstance(part, FolderPart):
                sizes.append(
                    estimated_bytes((file for file in part.files if file.suffix == SAFETENSORS), dtype)
                )
            else:
                sizes.append(part.num_bytes(dtype))
        return sizes

    def export_limit_s(self, model: Model) -> float:
        """Return the seconds that the export of a model for its engine may take, besides the load itself."""
        return EXPORT_LIMIT_S if model.engine != TORCH and self._engines is not None else 0.0

    def load(self, model: Model) -> LoadedModel:
        """Load a model, ready for its first job.

        Raises:
            ModelUnavailable: The model cannot be loaded.
            OutOfMemory: The device has too little memory at the moment.
            DeviceFailed: The device has failed.
        """
        began = time.monotonic()
        folder = self._find(model)
        try:
            loaded, engines = self._loaded(model, folder)
            return self._loaded_model(model, folder, loaded, engines, time.monotonic() - began)
        except BrushworkError:
            raise
        except _DEVICE_ERRORS as error:
            raise coded_error(error) from error
        # Libraries may raise anything for files of any content, and the loader of a plug-in may exit.
        except (Exception, SystemExit) as error:
            is_foreign = distribution_of(FAMILIES, model.family) not in (OWN, "")
            LOGGER.log(
                logging.ERROR if is_foreign else logging.DEBUG, "Loading %s failed", model.name, exc_info=True
            )
            raise _unloadable(model, folder, error) from error

    def _loaded(self, model: Model, folder: Path) -> tuple[LoadedModules, AttachedEngines | None]:
        device, engines = self._device_of(model), None
        if self._engines is not None:
            # Before the weights are in memory: an export loads them in a process of its own.
            engines = self._engines.prepare(model, folder, device, self._model_executor)
        found = self._found_add_ons(model)
        absent = (each for each in self._add_ons if each.family == model.family and each.name not in found)
        spec = LoadSpec(
            model,
            folder,
            device,
            self._dtype(model),
            self._model_executor,
            model.kinds,
            found,
            tuple(absent),
        )
        loaded = self._loaders[model.family](spec)
        tuning.tune(model, loaded.modules, self._dtype(model))
        if engines is not None:
            engines.attach(modules_of(loaded))
        # What the loader has read is held by cycles until then, such as the files that the weights came from.
        gc.collect()
        for handler in loaded.handlers.values():
            handler.warm_up()
        if engines is not None:
            engines.free_weights()
        return loaded, engines

    def _loaded_model(
        self,
        model: Model,
        folder: Path,
        loaded: LoadedModules,
        engines: AttachedEngines | None,
        loading_s: float,
    ) -> LoadedModel:
        device, modules = self._device_of(model), loaded.modules
        parts = [[each] for each in modules] if model.placement == "model_offload" else [modules]
        size_bytes = max(map(module_bytes, parts), default=0) + (engines.size_bytes if engines else 0)
        LOGGER.info(
            "Model %s is ready on %s after %.1f s; it takes %.1f MiB",
            model.name,
            device,
            loading_s,
            size_bytes / 2**20,
        )
        return LoadedModel(
            model=model,
            handlers=loaded.handlers,
            revision=revision(model, folder),
            device=device_name(device),
            dtype=self._dtype_name(model),
            loading_s=loading_s,
            # ModuleOffload moves the modules of this model; the model manager must not.
            modules=() if model.placement == "model_offload" else tuple(modules),
            size_bytes=0 if self._is_elsewhere(model) else size_bytes,
            engine=engines.exported.engine if engines else COMPILED if model.compile else TORCH,
            engine_precision=engines.exported.precision if engines else self._dtype_name(model),
        )

    def _found_add_ons(self, model: Model) -> dict[str, FoundAddOn]:
        found = {}
        for add_on in self._add_ons:
            if add_on.family == model.family:
                try:
                    found[add_on.name] = FoundAddOn(add_on, self._find(add_on))
                except ModelNotHere:
                    # It has not been downloaded. A job that asks for it gets an error.
                    continue
                except ModelUnavailable as error:
                    LOGGER.warning("Add-on %s cannot be used with %s: %s", add_on.name, model.name, error)
        return found

    def _device_of(self, model: Model) -> torch.device:
        return torch.device("cpu") if model.placement == "cpu" else self._device

    def _is_elsewhere(self, model: Model) -> bool:
        return self._device_of(model).type != self._device.type

    def _dtype_name(self, model: Model) -> str:
        return str(self._dtype(model)).removeprefix("torch.")

    def _dtype(self, model: Model) -> torch.dtype:
        return choose_dtype(model.dtype, self._device_of(model))


def _by_folder(files: Iterable[Path]) -> list[list[Path]]:
    """Group files by module: the files of each module are in a folder of their own."""
    found: dict[Path, list[Path]] = {}
    for file in files:
        found.setdefault(file.parent, []).append(file)
    return list(found.values())


def _unloadable(model: Model, folder: Path | None, error: BaseException) -> ModelUnavailable:
    owner = distribution_of(FAMILIES, model.family)
    if owner not in (OWN, ""):
        return ModelUnavailable(
            said(
                "Model {model} cannot be loaded: the loader {loader} of the plug-in {owner} "
                "(family {family}) failed: {type}: {error}.",
                model=model.name,
                loader=model.family_spec.loader,
                owner=owner,
                family=model.family,
                type=type(error).__name__,
                error=private(error),
            ),
            field="family",
            hint=said(
                "Update, repair or uninstall {owner}. The worker's log has the traceback.", owner=owner
            ),
        )
    return ModelUnavailable(
        said(
            "Model {model} cannot be loaded from {folder}: {type}: {error}.",
            model=model.name,
            folder=private(folder, "its folder"),
            type=type(error).__name__,
            error=private(error),
        ),
        field="source",
        hint="Check that the files are complete and that the catalogue entry names the right family.",
    )
