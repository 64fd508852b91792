"""How many bytes a model's weights take: before they are loaded, from the heads of its files, and after."""

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

# What the safetensors format calls the numbers that a model is loaded with in a format of our choice.
_FLOATS = ("F64", "F32", "F16", "BF16")
LONGEST_HEAD_BYTES = 100 * 2**20


def estimated_bytes(files: Iterable[Path], dtype: torch.dtype) -> int:
    """What these safetensors files take once they are loaded in `dtype`; integers stay as they are."""
    return sum(_loaded_bytes(file, dtype) for file in files)


def module_bytes(modules: Iterable[nn.Module]) -> int:
    """What the parameters and buffers of these take; what several of them share counts once."""
    seen: dict[int, int] = {}
    for module in modules:
        for tensor in (*module.parameters(), *module.buffers()):
            seen[id(tensor)] = tensor.numel() * tensor.element_size()
    return sum(seen.values())


def _loaded_bytes(file: Path, dtype: torch.dtype) -> int:
    return sum(
        (end - begin) // _width(name) * dtype.itemsize if name in _FLOATS else end - begin
        for name, begin, end in _tensors(file)
    )


def _width(name: str) -> int:
    return {"F64": 8, "F32": 4}.get(name, 2)


def _tensors(file: Path) -> list[tuple[str, int, int]]:
    """Of each tensor in a safetensors file its number format, and where its bytes begin and end."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(LONGEST_HEAD_BYTES, file.stat().st_size):
            raise ValueError(f"{file} is no safetensors file")
        head = json.loads(stream.read(length))
    head.pop("__metadata__", None)
    return [(tensor["dtype"], *tensor["data_offsets"]) for tensor in head.values()]
