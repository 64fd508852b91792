"""Check that what a model computed is finite, before it becomes pixels, scores or weights.

The check is one reduction on the device for each result, which the job waits for anyway.
"""

from collections.abc import Iterable
from typing import Any, cast

import torch
from brushwork_schemas.errors import NotFinite
from brushwork_schemas.wording.phrase import said
from PIL import Image
from torch import Tensor, nn
from torch.utils import _pytree as pytree

_DAMAGED = "Check the files of the model, or use another model."
_TOO_SMALL = "Set dtype of the model to float32 in its catalogue entry, or use another model."


def is_finite(value: Any) -> bool:
    """Return whether all floating point tensors in a value, which may be nested, are finite."""
    leaves = pytree.tree_leaves(value)
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.is_floating_point()]
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def check_finite(value: Any, *, model: str, part: str, module: Any = None) -> None:
    """Check the output of a part of a model.

    Args:
        value: The output: a tensor, or a structure of tensors.
        model: The name of the model.
        part: The name of the part.
        module: The module of the part, if there is one. If the output is wrong, its weights are checked.

    Raises:
        NotFinite: The value has an infinity, or a value that is not a number.
    """
    if not is_finite(value):
        raise not_finite(model, part, module)


def not_finite(model: str, part: str, module: Any = None) -> NotFinite:
    """Return the error for a part, which says whether its weights are damaged."""
    names = {"part": part, "model": model}
    damaged = damaged_weights(module.named_parameters()) if isinstance(module, nn.Module) else []
    if damaged:
        message = said(
            "The {part} of {model} computed values that are not finite. {number} of its weights are not "
            "finite either, for example {weight}.",
            **names,
            number=len(damaged),
            weight=damaged[0],
        )
        return NotFinite(message, hint=_DAMAGED)
    if isinstance(module, nn.Module) and (half := _half_precision(module)):
        message = said(
            "The {part} of {model} computed values that are not finite. Its weights are finite, but their "
            "number format {dtype} may be too small for it.",
            **names,
            dtype=half,
        )
        return NotFinite(message, hint=_TOO_SMALL)
    return NotFinite(
        said("The {part} of {model} computed values that are not finite.", **names), hint=_DAMAGED
    )


def is_plain(picture: Image.Image) -> bool:
    """Return whether all pixels of a picture have the same colour."""
    extrema = picture.convert("RGB").getextrema()
    return all(low == high for low, high in cast(tuple[tuple[int, int], ...], extrema))


def damaged_weights(weights: Iterable[tuple[str, Tensor]]) -> list[str]:
    """Return the names of the weights that are not finite."""
    return [name for name, weight in weights if not is_finite(weight)]


def _half_precision(module: nn.Module) -> str | None:
    dtype = next((parameter.dtype for parameter in module.parameters()), torch.float32)
    return str(dtype).removeprefix("torch.") if dtype in (torch.float16, torch.bfloat16) else None
