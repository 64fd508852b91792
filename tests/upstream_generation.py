"""Pictures by diffusers itself, called as its documentation says; what is served has to equal them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch

# Of FLUX.1-schnell, whose transformer has no embedding of guidance.
_MAX_FLUX_TOKENS = 256


class Upstream:
    """A pipeline of the library, loaded from a folder.

    Args:
        folder: Of the checkpoint.
        family: Of the catalogue.
        **loading: More arguments of `from_pretrained`.
    """

    def __init__(self, folder: Path, family: str, **loading: Any) -> None:
        self._family = family
        self._pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(folder, **loading)
        self._pipeline.set_progress_bar_config(disable=True)
        self._own_scheduler = self._pipeline.scheduler

    def call(self, request: Mapping[str, Any]) -> Any:
        """The pipeline's own answer, pictures as floats of 0 to 1."""
        self._pipeline.scheduler = self._scheduler(request.get("scheduler"))
        number = request.get("num_images_per_prompt", 1)
        seeds = range(request["seed"], request["seed"] + number)
        given = {
            "prompt": request["prompt"],
            "width": request["width"],
            "height": request["height"],
            "num_inference_steps": request["num_inference_steps"],
            "num_images_per_prompt": number,
            "generator": [torch.Generator().manual_seed(seed) for seed in seeds],
            "output_type": "np",
        }
        return self._pipeline(**{**given, **self._words(request)})

    def pictures(self, request: Mapping[str, Any]) -> list[np.ndarray]:
        """Of `call`, each (height, width, 3)."""
        return list(self.call(request).images)

    def _words(self, request: Mapping[str, Any]) -> dict[str, Any]:
        scale, negative = request["guidance_scale"], request.get("negative_prompt")
        if self._family == "flux":
            return {"guidance_scale": scale, "max_sequence_length": _MAX_FLUX_TOKENS}
        if self._family == "qwen-image":
            return {"true_cfg_scale": scale, "negative_prompt": (negative or " ") if scale > 1 else None}
        if self._family == "pixart-sigma":
            return {"guidance_scale": scale, "negative_prompt": negative or "", "clean_caption": False}
        if self._family == "sana":
            return {"guidance_scale": scale, "negative_prompt": negative or ""}
        given = {"guidance_scale": scale, "negative_prompt": negative}
        if "clip_skip" not in request:
            return given
        if self._family == "stable-diffusion":
            return {**given, "prompt": None, "prompt_embeds": self._skipping(request)}
        return {**given, "clip_skip": request["clip_skip"]}

    @torch.no_grad()
    def _skipping(self, request: Mapping[str, Any]) -> Any:
        """Of the prompt, as Stable Diffusion's pipeline would have it, were transformers still at 4."""
        encoder, tokenizer = self._pipeline.text_encoder, self._pipeline.tokenizer
        tokens = tokenizer(request["prompt"], padding="max_length", max_length=77, return_tensors="pt")
        layers = encoder(tokens.input_ids, output_hidden_states=True).hidden_states
        return encoder.final_layer_norm(layers[-(request["clip_skip"] + 1)])

    def _scheduler(self, name: str | None) -> Any:
        own = self._own_scheduler
        made: Any = type(own) if name is None else getattr(diffusers, name)
        # What a model of flow matching is has to be told to those that have another word for it.
        if hasattr(own, "scale_noise") and not made.__name__.startswith("FlowMatch"):
            flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
            return made.from_config(own.config, flow_shift=own.config.shift, **flow)
        if made.__name__.startswith("FlowMatch") and "flow_shift" in own.config:
            return made.from_config(own.config, shift=own.config.flow_shift)
        return made.from_config(own.config)
