"""LoRA adapters (Hu et al., 2021) of a model that many jobs share, each job with adapters of its own."""

import logging
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brushwork_schemas.errors import ModelFileMissing, ModelNotHere, ModelUnavailable
from brushwork_schemas.kinds.generation import LoraChoice
from diffusers.utils.peft_utils import set_adapter_layers, set_weights_and_activate_adapters
from torch import nn

from brushwork_workers.interface import FoundAddOn, LoadSpec

LOGGER = logging.getLogger(__name__)
Weights = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class LoraSet:
    """Adapters with their weights, as a state of a model's modules; calls of equal sets share runs.

    Args:
        loras: Holds them; each loaded model has one, so that equal names in two models differ. A set is
            remembered where runs are put together, and must not keep a model there that has made room.
        weights: By peft's name of each adapter, in the order of names; none of them is 0.
    """

    loras: "weakref.ref[Loras]"
    weights: Weights

    def activate(self, module: Any) -> None:
        """As `Adapters.activate`."""
        loras = self.loras()
        if loras is not None:
            loras.activate(module, self.weights)


class Loras:
    """The adapters of one loaded pipeline. Each is read when a job first asks for it, and stays.

    peft puts layers of its own into the modules that all jobs share, and which of them act, and how strongly,
    is a state of the module. So every call says which state it wants, the one without adapters too.

    Args:
        pipeline: The loaded `DiffusionPipeline`; of those without adapters no job may ask for any.
        spec: For the adapters that there are, and for calls.
    """

    def __init__(self, pipeline: Any, spec: LoadSpec) -> None:
        self._pipeline = pipeline
        self._spec = spec
        self._loaded: dict[str, str] = {}
        self._states: dict[int, Weights | None] = {}
        self._loading = threading.Lock()

    def select(self, choices: Sequence[LoraChoice]) -> LoraSet | None:
        """The state that a job wants; adapters that are not here yet are read first.

        Raises:
            ModelUnavailable: An adapter is not on this machine, or does not fit the model.
        """
        if not hasattr(self._pipeline, "load_lora_weights"):
            return None
        weights = [(self._adapter_name(choice.name), choice.weight) for choice in choices if choice.weight]
        return LoraSet(weakref.ref(self), tuple(sorted(weights)))

    def activate(self, module: nn.Module, weights: Weights) -> None:
        """Have these adapters act in `module`, and no others; where calls run, and between two of them."""
        if self._states.get(id(module), ()) != weights:
            # Until all of it is done, nobody knows what acts.
            self._states[id(module)] = None
            self._set_adapters(module, weights)
            self._states[id(module)] = weights

    @staticmethod
    def _set_adapters(module: nn.Module, weights: Weights) -> None:
        set_adapter_layers(module, enabled=bool(weights))
        if weights:
            set_weights_and_activate_adapters(
                module, [name for name, _ in weights], [weight for _, weight in weights]
            )

    def _adapter_name(self, name: str) -> str:
        """What peft calls the adapter."""
        with self._loading:
            if name not in self._loaded:
                file = self._file(name)
                # Where calls run: while layers are put into a module, nobody may be inside of it.
                self._spec.model_executor.call(self._spec.options, self._load, name, file)
            return self._loaded[name]

    def _file(self, name: str) -> Path:
        found = self._spec.add_ons.get(name)
        if found is None:
            raise ModelNotHere(
                f"The adapter {name} is not on this machine.",
                field="loras",
                hint=f"Run `brushwork models pull {name}` on the worker's machine, and start it anew.",
            )
        return weights_file(found)

    def _load(self, name: str, file: Path) -> None:
        # For a job that left while it waited for this very call.
        if name in self._loaded:
            return
        # peft's names may have no dots, and the catalogue's may.
        adapter = f"adapter{len(self._loaded)}"
        try:
            self._pipeline.load_lora_weights(
                file.parent,
                weight_name=file.name,
                adapter_name=adapter,
                local_files_only=True,
                use_safetensors=True,
            )
            if not any(adapter in getattr(module, "peft_config", {}) for module in self._modules()):
                raise ValueError("none of its keys is of this model")
        # The file may hold anything, and so may be raised anything: only this adapter is out.
        except Exception as error:
            self._remove(adapter)
            raise ModelUnavailable(
                f"The adapter {name} does not fit {self._spec.model.name}: {error}.",
                field="loras",
                hint=f"Check that {file} is a LoRA adapter for models of family {self._spec.model.family}.",
            ) from error
        finally:
            # peft has switched the new one on; whoever calls next has it switched off.
            self._states = {id(module): None for module in self._modules()}
        self._loaded[name] = adapter
        LOGGER.info("Adapter %s is ready for %s", name, self._spec.model.name)

    def _remove(self, adapter: str) -> None:
        """Take out what was put in before it failed."""
        try:
            self._pipeline.delete_adapters(adapter)
        # diffusers has done so already, for the module at which it failed.
        except Exception as error:
            LOGGER.debug("Adapter %s could not be taken out: %r", adapter, error)

    def _modules(self) -> list[nn.Module]:
        names = self._pipeline._lora_loadable_modules
        modules = [getattr(self._pipeline, name, None) for name in names]
        return [module for module in modules if isinstance(module, nn.Module)]


def weights_file(found: FoundAddOn) -> Path:
    """The file of an adapter: the one that its entry names, or the only one that there is.

    Raises:
        ModelFileMissing: There is none, or it is not clear which.
    """
    entry = found.entry
    if entry.weight_name is not None:
        files = [found.folder / entry.weight_name]
    else:
        files = sorted(found.folder.glob("*.safetensors"))
    if len(files) == 1 and files[0].is_file():
        return files[0]
    reason = f"there are {len(files)} files" if len(files) > 1 else "there is no file"
    raise ModelFileMissing(
        f"The adapter {entry.name}: {reason} {entry.weight_name or '*.safetensors'} in {found.folder}.",
        field="loras",
        hint="Name the right one as weight_name in its entry.",
    )
