"""ControlNets (Zhang et al., 2023) of a model: a picture says where things are to be."""

import json
import logging
import threading
from typing import Any

import diffusers
from brushwork_schemas.errors import InvalidRequest, ModelNotHere, ModelUnavailable, UnknownModelClass
from brushwork_schemas.kinds.generation import GenerationRequest
from PIL import Image

from brushwork_workers.interface import FoundAddOn, LoadSpec

LOGGER = logging.getLogger(__name__)
_CLASSES = (
    "ControlNetModel",
    "SD3ControlNetModel",
    "FluxControlNetModel",
    "QwenImageControlNetModel",
    "SanaControlNetModel",
)
# In which a ControlNet and its denoiser have to agree, where both say it: the width of the text they see.
_SHARED = ("cross_attention_dim", "joint_attention_dim", "caption_channels")


class ControlNets:
    """The ControlNets of one loaded pipeline. Each is loaded when a job first asks for it, and stays.

    Args:
        pipeline: The loaded `DiffusionPipeline`.
        spec: For the ControlNets that there are, and onto what they are loaded.
    """

    def __init__(self, pipeline: Any, spec: LoadSpec) -> None:
        self._denoiser = pipeline.components.get("unet") or pipeline.components.get("transformer")
        self._spec = spec
        self._loaded: dict[str, Any] = {}
        self._loading = threading.Lock()

    def named(self, name: str) -> Any:
        """The loaded module.

        Raises:
            ModelUnavailable: It is not on this machine, or can't be loaded.
            InvalidRequest: It is none for this model.
        """
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            return self._loaded[name]

    def arguments(
        self, request: GenerationRequest, kind: str, picture: Image.Image, size: tuple[int, int]
    ) -> dict[str, Any]:
        """What a pipeline with a ControlNet is called with besides: the picture that it goes by, and how far.

        Args:
            request: Names the ControlNet.
            kind: Of the job.
            picture: RGB; it is made as large as the pictures to come.
            size: Of these, in pixels.
        """
        # The oldest pipelines have no other picture, and call this one so.
        is_older = type(self.named(request.controlnet or "")).__name__ == "ControlNetModel"
        name = "image" if is_older and kind == "text-to-image" else "control_image"
        scale = request.controlnet_conditioning_scale
        return {
            name: picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS),
            "controlnet_conditioning_scale": 1.0 if scale is None else scale,
        }

    def _load(self, name: str) -> Any:
        found_add_on = self._spec.add_ons.get(name)
        if found_add_on is None:
            raise ModelNotHere(
                f"The ControlNet {name} is not on this machine.",
                field="controlnet",
                hint=f"Run `brushwork models pull {name}` on the worker's machine, and start it anew.",
            )
        try:
            module = self._read(found_add_on)
        except ModelUnavailable:
            raise
        # The files may hold anything, and so may be raised anything: only this ControlNet is out.
        except Exception as error:
            raise ModelUnavailable(
                f"The ControlNet {name} can't be loaded from {found_add_on.folder}: {error!r}.",
                field="controlnet",
                hint="Check that its files are complete and of a class of ControlNets of diffusers.",
            ) from error
        self._check_fit(name, module)
        LOGGER.info("ControlNet %s is ready for %s", name, self._spec.model.name)
        return module

    def _read(self, found_add_on: FoundAddOn) -> Any:
        config = json.loads((found_add_on.folder / "config.json").read_text("utf-8"))
        class_name = config.get("_class_name")
        if class_name not in _CLASSES:
            raise UnknownModelClass(
                f"The ControlNet {found_add_on.entry.name} is of class {class_name!r}.",
                field="controlnet",
                hint=f"Classes that can be served are {', '.join(_CLASSES)}.",
            )
        module = getattr(diffusers, class_name).from_pretrained(
            found_add_on.folder,
            dtype=self._spec.dtype,
            variant=found_add_on.entry.source.variant,
            use_safetensors=True,
            local_files_only=True,
        )
        return module.to(self._spec.device).eval()

    def _check_fit(self, name: str, module: Any) -> None:
        for field in _SHARED:
            expected, found = (getattr(each.config, field, None) for each in (self._denoiser, module))
            if expected is not None and found is not None and expected != found:
                raise InvalidRequest(
                    f"controlnet: {name} was made for another sort of model than {self._spec.model.name}: "
                    f"{field} is {found} there and {expected} here.",
                    field="controlnet",
                    hint="Choose one that was trained with this model's denoiser.",
                )
