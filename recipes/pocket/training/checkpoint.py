"""The state of a training on disk: a folder of files of limited size, replaced atomically."""

import shutil
from pathlib import Path
from typing import Any

import torch

PIECE_BYTES = 12_000_000
"""The approximate size limit of a file. No single tensor of these models is a quarter of it."""

_TENSOR = "tensor at"


def save(state: dict[str, Any], folder: Path) -> None:
    """Write nested dictionaries and lists of tensors and plain values. The old state stays until then."""
    part, old = folder.with_suffix(".part"), folder.with_suffix(".old")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    tensors: list[torch.Tensor] = []
    torch.save(_without_tensors(state, tensors), part / "state.pt")
    for number, piece in enumerate(_pieces(tensors)):
        torch.save(piece, part / f"tensors-{number:03}.pt")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load(folder: Path) -> dict[str, Any] | None:
    """Load the last saved state, on the CPU; None if there is none."""
    for place in (folder, folder.with_suffix(".old")):
        if place.exists():
            return _read(place)
    return None


def _read(folder: Path) -> dict[str, Any]:
    tensors: list[torch.Tensor] = []
    for file in sorted(folder.glob("tensors-*.pt")):
        tensors += torch.load(file, weights_only=True, map_location="cpu")
    plain = torch.load(folder / "state.pt", weights_only=True)
    state: dict[str, Any] = _with_tensors(plain, tensors)
    return state


def _without_tensors(value: Any, tensors: list[torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        tensors.append(value.detach().cpu())
        return {_TENSOR: len(tensors) - 1}
    if isinstance(value, dict):
        return {key: _without_tensors(inner, tensors) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_tensors(inner, tensors) for inner in value]
    return value


def _with_tensors(value: Any, tensors: list[torch.Tensor]) -> Any:
    if isinstance(value, dict):
        if _TENSOR in value:
            return tensors[value[_TENSOR]]
        return {key: _with_tensors(inner, tensors) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_tensors(inner, tensors) for inner in value]
    return value


def _pieces(tensors: list[torch.Tensor]) -> list[list[torch.Tensor]]:
    pieces: list[list[torch.Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        if size and size + tensor.nbytes > PIECE_BYTES:
            pieces.append([])
            size = 0
        # A clone, because a view would save the whole storage.
        pieces[-1].append(tensor.clone())
        size += tensor.nbytes
    return pieces
