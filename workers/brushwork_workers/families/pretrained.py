"""Load networks, tokenizers and processors of transformers from a verified local folder."""

import math
from collections.abc import Mapping
from typing import Any

from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.wording.phrase import said
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer, TimmWrapperImageProcessor

from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModuleProxy, SerialExecutor
from brushwork_workers.device.module_building import module_building
from brushwork_workers.families.proportions import check_proportions
from brushwork_workers.interface import LoadSpec

MAX_SHOWN_KEYS = 3


def pretrained(model_class: Any, spec: LoadSpec, **options: Any) -> Any:
    """Load the network in `spec.folder` onto the device. All its parameters come from the files.

    Args:
        model_class: A class of transformers with `from_pretrained`.
        spec: The model to load.
        **options: More arguments of `from_pretrained`.

    Raises:
        ModelUnavailable: A parameter is missing in the files. transformers would use random numbers instead.
    """
    with module_building():
        network, info = model_class.from_pretrained(
            spec.folder,
            dtype=spec.dtype,
            variant=spec.model.source.variant,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        )
    missing = sorted(set(info["missing_keys"]) & {name for name, _ in network.named_parameters()})
    if missing:
        raise ModelUnavailable(
            said(
                "Model {model}: {num_missing} parameters of {type} are missing in its files: {missing}.",
                model=spec.model.name,
                num_missing=len(missing),
                type=type(network).__name__,
                missing=missing[:MAX_SHOWN_KEYS],
            ),
            field="source",
            hint="Correct `family` in the catalogue entry, or download the files again.",
        )
    return network.to(spec.device).eval()


def tokenizer(spec: LoadSpec) -> Any:
    """Load the tokenizer in the folder. Any number of threads may use it."""
    found = AutoTokenizer.from_pretrained(spec.folder, local_files_only=True, trust_remote_code=False)
    return serialized(found, "tokenizer")


def serialized(component: Any, part: str) -> Any:
    """Return a proxy of a tokenizer or processor that runs one call at a time, for use by several threads.

    A fast tokenizer keeps its padding and truncation as state, and every method may change it. Concurrent
    calls would use each other's settings.
    """
    return ModuleProxy(component, SerialExecutor(), CallOptions(part=part), methods=None)


def token_ids(configured: int | list[int] | None) -> tuple[int, ...]:
    """Return the token ids of a configuration field, which holds one id, a list of ids or None."""
    if configured is None:
        return ()
    return tuple(configured) if isinstance(configured, list) else (configured,)


class PictureProcessor:
    """Prepares pictures with the image processor in the model's folder.

    Args:
        spec: The model that is loaded.

    Attributes:
        processor: The image processor.
        pixels: Pixels of a prepared square picture, for `CallOptions.pixels_per_row`.
    """

    def __init__(self, spec: LoadSpec) -> None:
        self._spec = spec
        self.processor = AutoImageProcessor.from_pretrained(
            spec.folder, local_files_only=True, trust_remote_code=False
        )
        self.pixels = math.prod(self(Image.new("RGB", (64, 64)))["pixel_values"].shape[-2:])

    def __call__(self, picture: Image.Image) -> Mapping[str, Tensor]:
        """Prepare a picture for the network.

        Returns:
            The inputs by name, on the device; the first axis has one row for the picture.

        Raises:
            InvalidImage: The picture is too long and thin.
        """
        if shortest := self._shortest_edge():
            check_proportions(picture, shortest)
        processed = self.processor(images=picture, return_tensors="pt")
        inputs: Mapping[str, Tensor] = processed.to(self._spec.device, self._spec.dtype)
        return inputs

    def _shortest_edge(self) -> int | None:
        """Return the length to which the shorter edge is scaled, in pixels; None if both are given."""
        if isinstance(self.processor, TimmWrapperImageProcessor):
            config = self.processor.data_config
            return math.ceil(int(config["input_size"][-1]) / float(config["crop_pct"]))
        size = getattr(self.processor, "size", None)
        shortest: int | None = getattr(size, "shortest_edge", None)
        return None if getattr(size, "longest_edge", None) else shortest
