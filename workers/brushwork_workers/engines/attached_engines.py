"""Puts the engines of a model in place of the `forward` of its modules, and frees their weights in torch."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from brushwork_workers.engines.engine import open_engine
from brushwork_workers.engines.engine_forward import EngineForward, ModuleEngine
from brushwork_workers.engines.exported_model import WEIGHTS, ExportedModel
from brushwork_workers.engines.module_arguments import ModuleArguments

LOGGER = logging.getLogger(__name__)


class AttachedEngines:
    """The engines of the modules of one loaded model.

    Args:
        model: Name of the model, for the log.
        folder: The folder that the export has written.
        exported: The manifest of the folder.
        num_threads: Number of CPU threads to compute with.
    """

    def __init__(self, model: str, folder: Path, exported: ExportedModel, num_threads: int) -> None:
        self.exported = exported
        self._model = model
        self._folder = folder
        self._num_threads = num_threads
        self._attached: dict[str, tuple[nn.Module, EngineForward]] = {}
        self._freed_bytes = 0

    def attach(self, modules: Mapping[str, nn.Module]) -> None:
        """Replace the `forward` of each module that was exported.

        Args:
            modules: The modules of the loaded model, by the names of the manifest.
        """
        for module in self.exported.modules:
            if module.reason:
                LOGGER.warning("Model %s: torch runs %s: %s", self._model, module.name, module.reason)
                continue
            engine = open_engine(
                self.exported.engine, self._folder / module.file, self.exported.precision, self._num_threads
            )
            in_engine = ModuleEngine(
                engine,
                self.exported.engine,
                self.exported.precision,
                module.form,
                getattr(torch, module.value_format),
            )
            target = modules[module.name]
            refuse = partial(ExportedModel.refuse, self._folder, module.name)
            find = partial(_if_of_form, in_engine)
            forward = EngineForward(target, module.name, self._model, find, refuse)
            # On the instance, so that every reference to the module calls the engine.
            target.__dict__["forward"] = forward
            self._attached[module.name] = target, forward

    def free_weights(self) -> None:
        """Map the weights of the modules that their engine serves from files; call it after the warm-up.

        A call that torch has to run, such as one with adapters, reads them from there. The system can drop
        them from memory at any time, so they count as free.
        """
        for name, (module, forward) in self._attached.items():
            if forward.is_served:
                self._freed_bytes += _map_weights(module, self._folder / WEIGHTS / f"{name}.safetensors")

    @property
    def size_bytes(self) -> int:
        """Bytes that the engines take, minus what `free_weights` has freed."""
        files = (file for module in self.exported.modules if module.file for file in self._files(module.file))
        return sum(file.stat().st_size for file in files) - self._freed_bytes

    def _files(self, name: str) -> list[Path]:
        return [file for file in (self._folder / name, self._folder / f"{name}.data") if file.exists()]


def _if_of_form(in_engine: ModuleEngine, arguments: ModuleArguments) -> ModuleEngine | None:
    return in_engine if arguments.form == in_engine.form else None


def _map_weights(module: nn.Module, file: Path) -> int:
    """Replace the weights of a module by equal ones that are mapped from a file, and return their bytes."""
    mapped, freed = load_file(file), 0
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if name in mapped:
            freed += tensor.numel() * tensor.element_size()
            tensor.data = mapped[name]
    return freed
