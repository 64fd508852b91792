"""The keys of a LoRA file: layouts that diffusers does not read, and keys that fit no layer."""

import copy
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brushwork_schemas.errors import NotFinite
from brushwork_schemas.wording.phrase import private, said
from diffusers.utils.state_dict_utils import (
    StateDictType,
    convert_state_dict_to_diffusers,
    convert_state_dict_to_peft,
    convert_unet_state_dict_to_peft,
)
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor, nn

from brushwork_workers.device.module_building import module_building
from brushwork_workers.families.finite import damaged_weights
from brushwork_workers.models.checkpoints.adapter_layouts import readable, shaped_like

State = dict[str, Tensor]
PEFT_PREFIX = "base_model.model."
PEFT_CONFIG = "adapter_config.json"
_DENOISERS = ("unet", "transformer")
# peft writes the name of the adapter into the keys of a state that was not made for saving.
_ADAPTER_NAME = re.compile(r"\.(lora_[AB]|lora_embedding_[AB])\.[^.]+\.weight$")
_WEIGHT = re.compile(
    r"^(?P<component>\w+)\.(?P<layer>.+?)\.(?:lora\.)?(?P<way>down|up|lora_A|lora_B)\.weight$"
)
_OLD_TEXT = re.compile(r"\.(to_[qkv]|to_out)_lora\.")


@dataclass(frozen=True)
class UnusedKeys:
    """The keys of an adapter that had no effect.

    Args:
        unused: The keys that fit no layer of the model, as diffusers names them.
        total: How many keys the adapter has.
    """

    unused: Sequence[str]
    total: int


def load_adapter(pipeline: Any, file: Path, adapter: str, name: str, model: str) -> UnusedKeys:
    """Load a LoRA file into the modules of a pipeline.

    diffusers reads its own layouts and those of kohya and others. peft's own layout is converted here, and so
    are LoHa, LoKr and LoCon with a middle part. Keys of kinds that no layer can use are left out.

    Args:
        pipeline: The pipeline.
        file: The file, in safetensors format.
        adapter: The name of the adapter in peft.
        name: Its name in the catalogue.
        model: The name of the model.

    Raises:
        NotFinite: A weight of the adapter is not finite.
        ValueError: No key belongs to the model.
        Exception: Whatever the libraries raise for damaged files.
    """
    weights = load_file(file)
    if damaged := damaged_weights(weights.items()):
        raise NotFinite(
            said(
                "{number} weights of the adapter {adapter} of {model} are not finite, for example {weight}.",
                number=len(damaged),
                adapter=name,
                model=model,
                weight=damaged[0][:200],
            ),
            field="loras",
            hint=said("Replace {file}, or leave the adapter out.", file=private(file, "its file")),
        )
    modules = adapted_modules(pipeline)
    is_peft = any(key.startswith(PEFT_PREFIX) for key in weights)
    own = readable(weights)
    if not own.weights:
        raise ValueError("none of its keys belongs to this model")
    source: Any = of_peft(own.weights, file.parent, modules) if is_peft else file.parent
    if own.is_changed and not is_peft:
        source = own.weights
    # On a copy, because the keys that diffusers has found are of interest.
    loader, found = copy.copy(pipeline), State()
    read = pipeline.lora_state_dict

    def noted(*args: Any, **kwargs: Any) -> Any:
        answer = read(*args, **kwargs)
        state = answer[0] if isinstance(answer, tuple) else answer
        _name_text_layers(state)
        if own.is_changed:
            _shape_convolutions(state, modules)
        found.update(state)
        return answer

    loader.__dict__["lora_state_dict"] = noted
    with module_building():
        loader.load_lora_weights(
            source, weight_name=file.name, adapter_name=adapter, local_files_only=True, use_safetensors=True
        )
    if not any(adapter in getattr(module, "peft_config", {}) for module in modules.values()):
        raise ValueError("none of its keys belongs to this model")
    unused = _unused(found, modules, adapter)
    return UnusedKeys([*unused.unused, *own.left_out], unused.total + len(own.left_out))


def adapted_modules(pipeline: Any) -> dict[str, nn.Module]:
    """Return the modules of a pipeline that adapters can change, by component."""
    modules = {name: getattr(pipeline, name, None) for name in pipeline._lora_loadable_modules}
    return {name: module for name, module in modules.items() if isinstance(module, nn.Module)}


def of_peft(weights: Mapping[str, Tensor], folder: Path, modules: Mapping[str, nn.Module]) -> State:
    """Return the weights of an adapter in peft's own layout with the keys of diffusers.

    peft names the layers of one module without its component, and keeps the scale in `adapter_config.json`.

    Args:
        weights: The weights, whose keys begin with `base_model.model.`.
        folder: The folder of the file.
        modules: The modules of the pipeline, by component.
    """
    config = _peft_config(folder)
    layers = {name: {layer for layer, _ in module.named_modules()} for name, module in modules.items()}
    converted: State = {}
    for key, weight in weights.items():
        plain = _ADAPTER_NAME.sub(r".\1.weight", key.removeprefix(PEFT_PREFIX))
        layer = plain.split(".lora_")[0]
        rank = weight.shape[1] if ".lora_B." in plain and weight.ndim > 1 else 0
        scale = _scale(config, layer, rank) if rank else 1.0
        converted[_of_component(plain, layer, layers)] = weight if scale == 1 else weight * scale
    return converted


def _of_component(key: str, layer: str, layers: Mapping[str, set[str]]) -> str:
    """Return a key with its component in front."""
    if any(key.startswith(f"{name}.") for name in layers):
        return key
    # The encoders of some versions of transformers have the layers inside of `text_model`.
    spellings = {layer, layer.removeprefix("text_model."), f"text_model.{layer}"}
    fitting = [name for name, known in layers.items() if spellings & known]
    first = fitting[0] if fitting else next(name for name in layers if name in _DENOISERS)
    return f"{first}.{key}"


def _peft_config(folder: Path) -> Mapping[str, Any]:
    try:
        config = json.loads((folder / PEFT_CONFIG).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return config if isinstance(config, dict) else {}


def _scale(config: Mapping[str, Any], layer: str, rank: int) -> float:
    """Return the factor of a layer. Without a configuration it is 1, as in the other layouts."""
    alpha = (config.get("alpha_pattern") or {}).get(layer, config.get("lora_alpha"))
    if alpha is None:
        return 1.0
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _unused(found: Mapping[str, Tensor], modules: Mapping[str, nn.Module], adapter: str) -> UnusedKeys:
    loaded = {
        f"{name}.{key}"
        for name, module in modules.items()
        if adapter in getattr(module, "peft_config", {})
        for key in get_peft_model_state_dict(module, adapter_name=adapter)
    }
    keys = _as_loaded(found, modules)
    return UnusedKeys([key for key in keys if key not in loaded], len(keys))


def _shape_convolutions(state: State, modules: Mapping[str, nn.Module]) -> None:
    """Give the weights of converted layers the shape of a convolution where the model has one."""
    for key, weight in state.items():
        match = _WEIGHT.match(key)
        if match is not None and match["component"] in modules:
            layer = dict(modules[match["component"]].named_modules()).get(match["layer"])
            # A layer that has an adapter already.
            layer = getattr(layer, "base_layer", layer)
            state[key] = shaped_like(layer, weight, is_down=match["way"] in ("down", "lora_A"))


def _name_text_layers(state: State) -> None:
    """Rename the layers of text encoders that kohya's scripts write; changes `state`.

    diffusers recognises their layout only by the output projections of attention, which a file may lack.
    """
    old = {key: weight for key, weight in state.items() if key.startswith("text_") and _OLD_TEXT.search(key)}
    for key in old:
        del state[key]
    state.update(convert_state_dict_to_peft(old, original_type=StateDictType.DIFFUSERS_OLD) if old else {})


def _as_loaded(found: Mapping[str, Tensor], modules: Mapping[str, nn.Module]) -> list[str]:
    """Return the keys as diffusers converts them for each component. Other keys stay as they are."""
    parts: dict[str, State] = {}
    for key, weight in found.items():
        name, _, rest = key.partition(".")
        parts.setdefault(name, {})[rest] = weight
    keys = []
    for name, part in parts.items():
        if name in _DENOISERS and not any("lora_A" in key for key in part):
            part = convert_unet_state_dict_to_peft(part)
        elif name in modules and name not in _DENOISERS:
            part = convert_state_dict_to_peft(convert_state_dict_to_diffusers(part))
            if not hasattr(modules[name], "text_model"):
                part = {key.removeprefix("text_model."): weight for key, weight in part.items()}
        keys += [f"{name}.{key}" for key in part]
    return keys
