"""LoRA adapters (Hu et al., 2021) of a shared model. Each job has its own choice of adapters."""

import logging
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brushwork_schemas.errors import ModelFileMissing, ModelNotHere, ModelUnavailable, NotFinite
from brushwork_schemas.kinds.generation import LoraChoice
from brushwork_schemas.warnings import ResultWarning, result_warning
from brushwork_schemas.wording.phrase import private, said
from diffusers.utils.peft_utils import set_adapter_layers, set_weights_and_activate_adapters
from torch import nn

from brushwork_workers.families.diffusion.lora_keys import UnusedKeys, adapted_modules, load_adapter
from brushwork_workers.interface import FoundAddOn, LoadSpec

LOGGER = logging.getLogger(__name__)
Weights = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class LoraSet:
    """A choice of adapters with weights, as a state of the modules of a model. Equal choices share batches.

    Args:
        loras: The adapters of the loaded model, so that equal names in two models differ. The reference is
            weak, because the batcher keeps a choice for a while and must not keep an unloaded model alive.
        weights: The weight of each adapter by its name in peft, sorted by name. No weight is 0.
    """

    loras: "weakref.ref[Loras]"
    weights: Weights

    @property
    def is_neutral(self) -> bool:
        """Whether no adapter is chosen, so that the module computes what its own weights say."""
        return not self.weights

    def activate(self, module: Any) -> None:
        """Activate these adapters in a module, and no others."""
        loras = self.loras()
        if loras is not None:
            loras.activate(module, self.weights)


class Loras:
    """The adapters of one loaded pipeline. Each is loaded for the first job that needs it, and then kept.

    peft adds layers to the modules that all jobs share. Which adapters are active, and with which weights, is
    a state of the module. Every call therefore names the state that it needs, also a call without adapters.

    Args:
        pipeline: The loaded `DiffusionPipeline`.
        spec: The load spec of the model, with the adapters on this machine.
    """

    def __init__(self, pipeline: Any, spec: LoadSpec) -> None:
        self._pipeline = pipeline
        self._spec = spec
        self._loaded: dict[str, str] = {}
        self._unused: dict[str, UnusedKeys] = {}
        self._states: dict[int, Weights | None] = {}
        self._loading = threading.Lock()

    def select(self, choices: Sequence[LoraChoice]) -> LoraSet | None:
        """Load the adapters that a job asks for, and return its choice. Adapters of weight 0 are left out.

        Returns:
            The choice; None if pipelines of this family have no adapters.

        Raises:
            ModelUnavailable: An adapter is not on this machine, or does not fit the model.
            NotFinite: A weight of an adapter is not finite.
        """
        if not hasattr(self._pipeline, "load_lora_weights"):
            return None
        weights = [(self._adapter_name(choice.name), choice.weight) for choice in choices if choice.weight]
        return LoraSet(weakref.ref(self), tuple(sorted(weights)))

    def warnings(self, choices: Sequence[LoraChoice]) -> list[ResultWarning]:
        """Return the warnings for a choice that was loaded: keys without effect, and weights of 0."""
        found = []
        for name, weight in ((choice.name, choice.weight) for choice in choices):
            keys = self._unused.get(name)
            if not weight:
                found.append(result_warning("lora_off", "loras", adapter=name))
            elif keys is not None and keys.unused:
                counts = {"unused": len(keys.unused), "total": keys.total, "keys": keys.unused}
                found.append(result_warning("lora_keys_unused", "loras", adapter=name, **counts))
        return found

    def activate(self, module: nn.Module, weights: Weights) -> None:
        """Activate adapters in a module, and no others. Call it on the device thread between two calls."""
        if self._states.get(id(module), ()) != weights:
            # If the change fails half way, the state is unknown.
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
        """Return the name of the adapter in peft, and load the adapter first if necessary."""
        with self._loading:
            if name not in self._loaded:
                file = self._file(name)
                # On the device thread: no call of a module may run while layers are added to it.
                self._spec.model_executor.call(self._spec.options, self._load, name, file)
            return self._loaded[name]

    def _file(self, name: str) -> Path:
        found = self._spec.add_ons.get(name)
        if found is None:
            raise ModelNotHere(
                said("The adapter {name} is not on this machine.", name=name),
                field="loras",
                hint=said(
                    "Run `brushwork models pull {name}` on the worker's machine, and restart the worker.",
                    name=name,
                ),
            )
        return weights_file(found)

    def _load(self, name: str, file: Path) -> None:
        # A job that was stopped while it waited for this call may have loaded it before.
        if name in self._loaded:
            return
        # Names in the catalogue may have dots, but names in peft may not.
        adapter = f"adapter{len(self._loaded)}"
        try:
            self._unused[name] = load_adapter(self._pipeline, file, adapter, name, self._spec.model.name)
        except NotFinite:
            raise
        # A damaged file can raise any exception. It affects only this adapter, not the model.
        except Exception as error:
            self._remove(adapter)
            raise ModelUnavailable(
                said(
                    "The adapter {name} does not fit {model}: {error}.",
                    name=name,
                    model=self._spec.model.name,
                    error=private(error),
                ),
                field="loras",
                hint=said(
                    "Check that {file} is a LoRA adapter for the family {family}.",
                    file=private(file, "its file"),
                    family=self._spec.model.family,
                ),
            ) from error
        finally:
            # peft activates a new adapter. The next call must set the state again.
            self._states = {id(module): None for module in self._modules()}
        self._loaded[name] = adapter
        LOGGER.info("Adapter %s is ready for %s", name, self._spec.model.name)

    def _remove(self, adapter: str) -> None:
        """Remove the layers that were added before loading failed."""
        try:
            self._pipeline.delete_adapters(adapter)
        # diffusers has already removed the adapter from the module that failed.
        except Exception as error:
            LOGGER.debug("Adapter %s could not be removed: %r", adapter, error)

    def _modules(self) -> list[nn.Module]:
        return list(adapted_modules(self._pipeline).values())


def weights_file(found: FoundAddOn) -> Path:
    """Return the file of an adapter: the one that its entry names, or the only safetensors file.

    Raises:
        ModelFileMissing: There is no file, or there are several and the entry names none.
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
        said(
            "The adapter {entry}: {reason} {value} in {folder}.",
            entry=entry.name,
            reason=reason,
            value=entry.weight_name or "*.safetensors",
            folder=private(found.folder, "its folder"),
        ),
        field="loras",
        hint="Set weight_name in its catalogue entry to the name of the file.",
    )
