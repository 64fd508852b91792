"""The bytes that a model's weights take: estimated from file headers before loading, and measured after."""

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from brushwork_schemas.wording.phrase import said
from torch import nn

# Names of the safetensors number formats that are converted to the chosen dtype when they are loaded.
_FLOATS = ("F64", "F32", "F16", "BF16")
MAX_HEADER_BYTES = 100 * 2**20


def estimated_bytes(files: Iterable[Path], dtype: torch.dtype) -> int:
    """Estimate the bytes of safetensors files once they are loaded in `dtype`; integers keep their format."""
    return sum(_loaded_bytes(file, dtype) for file in files)


def module_bytes(modules: Iterable[nn.Module]) -> int:
    """Measure the bytes of the modules' parameters and buffers; shared tensors count once."""
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
    """The number format, start and end offset of each tensor of a safetensors file."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(MAX_HEADER_BYTES, file.stat().st_size):
            raise ValueError(said("{file} is not a safetensors file", file=file))
        header = json.loads(stream.read(length))
    header.pop("__metadata__", None)
    return [(tensor["dtype"], *tensor["data_offsets"]) for tensor in header.values()]
