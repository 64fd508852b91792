"""Networks and processors of transformers, read from a checked folder and nowhere else."""

import math
from collections.abc import Mapping
from typing import Any

from brushwork_schemas.errors import ModelUnavailable
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer

from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModuleProxy, SerialExecutor
from brushwork_workers.families.proportions import check_proportions
from brushwork_workers.interface import LoadSpec

SHOWN_KEYS = 3


def pretrained(model_class: Any, spec: LoadSpec, **options: Any) -> Any:
    """The network in `spec.folder`, on its device, all parameters from the files.

    Args:
        model_class: A class of transformers with `from_pretrained`.
        spec: Which model, from where, onto what.
        **options: More for `from_pretrained`.

    Raises:
        ModelUnavailable: The files lack a parameter; transformers would fill in random numbers.
    """
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
            f"Model {spec.model.name}: its files lack {len(missing)} parameters of a "
            f"{type(network).__name__}: {', '.join(missing[:SHOWN_KEYS])}.",
            field="source",
            hint="Correct the entry's family, or fetch the files again.",
        )
    return network.to(spec.device).eval()


def tokenizer(spec: LoadSpec) -> Any:
    """The folder's tokenizer, for any number of threads."""
    found = AutoTokenizer.from_pretrained(spec.folder, local_files_only=True, trust_remote_code=False)
    return one_at_a_time(found, "tokenizer")


def one_at_a_time(shared: Any, part: str) -> Any:
    """A tokenizer or processor for any number of threads.

    Every method of a fast tokenizer may set the padding that another thread's call is about to use.
    """
    return ModuleProxy(shared, SerialExecutor(), CallOptions(part=part), methods=None)


def token_ids(named: int | list[int] | None) -> tuple[int, ...]:
    """Tokens of a configuration, which names one, several or none."""
    if named is None:
        return ()
    return tuple(named) if isinstance(named, list) else (named,)


class PictureProcessor:
    """The folder's image processor.

    Args:
        spec: Which model, from where, onto what.

    Attributes:
        pixels: Of a square picture as it comes out, for `CallOptions.pixels_per_row`.
    """

    def __init__(self, spec: LoadSpec) -> None:
        self._spec = spec
        self._processor = AutoImageProcessor.from_pretrained(
            spec.folder, local_files_only=True, trust_remote_code=False
        )
        self.pixels = math.prod(self(Image.new("RGB", (64, 64)))["pixel_values"].shape[-2:])

    def __call__(self, picture: Image.Image) -> Mapping[str, Tensor]:
        """The picture as the network wants it; the first axis counts pictures.

        Raises:
            InvalidImage: It is too long and thin.
        """
        size = getattr(self._processor, "size", None)
        shortest = getattr(size, "shortest_edge", None)
        if shortest and not getattr(size, "longest_edge", None):
            check_proportions(picture, shortest)
        made = self._processor(images=picture, return_tensors="pt")
        inputs: Mapping[str, Tensor] = made.to(self._spec.device, self._spec.dtype)
        return inputs
