"""ControlNets (Zhang et al., 2023) of a model. A control picture determines the layout of the result."""

import json
import logging
import threading
from typing import Any

import diffusers
from brushwork_schemas.errors import InvalidRequest, ModelNotHere, ModelUnavailable, UnknownModelClass
from brushwork_schemas.kinds.generation import GenerationRequest
from brushwork_schemas.wording.phrase import private, said
from PIL import Image

from brushwork_workers.device.module_building import module_building
from brushwork_workers.interface import FoundAddOn, LoadSpec

LOGGER = logging.getLogger(__name__)
_CLASSES = (
    "ControlNetModel",
    "SD3ControlNetModel",
    "FluxControlNetModel",
    "QwenImageControlNetModel",
    "SanaControlNetModel",
    "HunyuanDiT2DControlNetModel",
    "ZImageControlNetModel",
)
# The width of the text embeddings under its different names. A ControlNet and its denoiser must agree in it.
_SHARED = ("cross_attention_dim", "joint_attention_dim", "caption_channels")


class ControlNets:
    """The ControlNets of one loaded pipeline. Each is loaded for the first job that needs it, and then kept.

    Args:
        pipeline: The loaded `DiffusionPipeline`.
        spec: The load spec of the model, with the ControlNets on this machine.
    """

    def __init__(self, pipeline: Any, spec: LoadSpec) -> None:
        self._denoiser = pipeline.components.get("unet") or pipeline.components.get("transformer")
        self._spec = spec
        self._loaded: dict[str, Any] = {}
        self._loading = threading.Lock()

    def named(self, name: str) -> Any:
        """Return the loaded module of a ControlNet.

        Raises:
            ModelUnavailable: The ControlNet is not on this machine, or cannot be loaded.
            InvalidRequest: The ControlNet does not fit this model.
        """
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            return self._loaded[name]

    def arguments(
        self, request: GenerationRequest, kind: str, picture: Image.Image, size: tuple[int, int]
    ) -> dict[str, Any]:
        """Return the additional arguments of a pipeline with a ControlNet.

        Args:
            request: The request, which names the ControlNet.
            kind: The kind of the job.
            picture: The control picture, RGB. It is resized to `size`.
            size: Width and height of the result, in pixels.
        """
        # The text-to-image pipelines of `ControlNetModel` call the control picture `image`.
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
                said("The ControlNet {name} is not on this machine.", name=name),
                field="controlnet",
                hint=said(
                    "Run `brushwork models pull {name}` on the worker's machine, and restart the worker.",
                    name=name,
                ),
            )
        try:
            module = self._read(found_add_on)
        except ModelUnavailable:
            raise
        # Damaged files can raise any exception. It affects only this ControlNet, not the model.
        except Exception as error:
            raise ModelUnavailable(
                said(
                    "The ControlNet {name} cannot be loaded from {folder}: {error}.",
                    name=name,
                    folder=private(found_add_on.folder, "its folder"),
                    error=private(repr(error)),
                ),
                field="controlnet",
                hint="Check that its files are complete, and that diffusers has its class.",
            ) from error
        self._check_fit(name, module)
        LOGGER.info("ControlNet %s is ready for %s", name, self._spec.model.name)
        return module

    @module_building()
    def _read(self, found_add_on: FoundAddOn) -> Any:
        config = json.loads((found_add_on.folder / "config.json").read_text("utf-8"))
        class_name = config.get("_class_name")
        if class_name not in _CLASSES:
            raise UnknownModelClass(
                said(
                    "The ControlNet {entry} has the unsupported class {class_name!r}.",
                    entry=found_add_on.entry.name,
                    class_name=class_name,
                ),
                field="controlnet",
                hint=said("Supported classes: {classes}.", classes=_CLASSES),
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
                    said(
                        "controlnet: {name} does not fit {model}: its {field} is {found}, that of the "
                        "model is {expected}.",
                        name=name,
                        model=self._spec.model.name,
                        field=field,
                        found=found,
                        expected=expected,
                    ),
                    field="controlnet",
                    hint="Choose a ControlNet that was trained for this model.",
                )
