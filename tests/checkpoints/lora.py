"""LoRA adapters of random weights that are strong enough to be seen."""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

_DENOISERS = ("unet", "transformer")


def save(folder: Path, pipeline: Any, seed: int, *, text: bool = True) -> Path:
    """An adapter for a pipeline like this one, in diffusers' own layout.

    Args:
        folder: Where its one file goes.
        pipeline: Of the class to adapt; it is changed, and of no more use.
        seed: Of the weights.
        text: Whether it adapts the text encoders too, where those of its class are adapted.
    """
    torch.manual_seed(seed)
    layers = {}
    for name in pipeline._lora_loadable_modules:
        module = getattr(pipeline, name, None)
        if module is None or (name not in _DENOISERS and not text):
            continue
        targets = ["to_q", "to_k", "to_v"] if name in _DENOISERS else ["q_proj", "v_proj"]
        config = LoraConfig(r=4, lora_alpha=8, init_lora_weights=False, target_modules=targets)
        module.add_adapter(config, "made")
        layers[f"{name}_lora_layers"] = get_peft_model_state_dict(module, adapter_name="made")
    type(pipeline).save_lora_weights(folder, **layers)
    return folder
