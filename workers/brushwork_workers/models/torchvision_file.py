"""Weights that torchvision lists: fetched as the pickle that they are, kept as safetensors.

The file's name holds the start of its SHA-256, as `torch.hub` checks it. `brushwork models pull` reads it,
with torch's unpickler for tensors alone; workers never see it.
"""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx
import torch
from brushwork_core.files.sha256 import sha256_of_file
from brushwork_core.settings.environment import torchvision_mirror
from brushwork_schemas.errors import HashMismatch, ModelUnavailable, PickledWeights, ServiceUnreachable
from safetensors.torch import save_file
from torchvision.models import get_weight

FILES = ("config.json", "model.safetensors")
TIMEOUT_S = 30.0
_OFFICIAL = "https://download.pytorch.org/models/"
_HASH = re.compile(r"-([0-9a-f]{8,})\.pth$")


class TorchvisionFile:
    """One of torchvision's own weights.

    Args:
        weights: As torchvision lists it.
    """

    def __init__(self, weights: Any) -> None:
        self._weights = weights

    @classmethod
    def named(cls, name: str) -> Self:
        """The weights of that name, such as ResNet50_Weights.IMAGENET1K_V2.

        Raises:
            ModelUnavailable: torchvision lists none.
        """
        try:
            return cls(get_weight(name))
        except (ValueError, AttributeError, KeyError) as error:
            raise ModelUnavailable(
                f"torchvision lists no weights {name!r}.",
                field="source.weights",
                hint="They are named as ResNet50_Weights.IMAGENET1K_V2 is; see torchvision.models.",
            ) from error

    @property
    def size_bytes(self) -> int:
        """About, as torchvision says."""
        return int(self._weights.meta.get("_file_size", 0) * 2**20)

    @property
    def url(self) -> str:
        """Where it is fetched; `TORCHVISION_MIRROR` takes the place of download.pytorch.org/models."""
        mirror = torchvision_mirror()
        official: str = self._weights.url
        return official.replace(_OFFICIAL, mirror.rstrip("/") + "/") if mirror else official

    def fetch(self, folder: Path, report: Callable[[int], None]) -> dict[str, str]:
        """Get it into `folder`, as `FILES`; their SHA-256 by name.

        Raises:
            HashMismatch: It is not the file that torchvision means; it is deleted.
            PickledWeights: It holds more than tensors.
            ServiceUnreachable: It can't be fetched now.
        """
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "download.part"
        _download(self.url, part, report)
        expected = _HASH.search(self._weights.url)
        found = sha256_of_file(part)
        if expected is None or not found.startswith(expected[1]):
            part.unlink()
            raise HashMismatch(
                f"{self.url} is not the file that torchvision means: its SHA-256 is {found}.",
                field="source.weights",
                hint="Pull again; if it stays, look at who answers there.",
            )
        save_file(_tensors(part), folder / "model.safetensors")
        config = {"library": "torchvision", "weights": str(self._weights)}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
        part.unlink()
        return {name: sha256_of_file(folder / name) for name in FILES}


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise PickledWeights(
            f"{file.name} holds more than tensors, or is damaged.", field="source.weights"
        ) from error
    return {name: tensor.contiguous().clone() for name, tensor in state.items()}


def _download(url: str, part: Path, report: Callable[[int], None]) -> None:
    """Into `part`, after what is there already."""
    num_present = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={num_present}-"} if num_present else {}
    try:
        with (
            httpx.stream("GET", url, headers=headers, timeout=TIMEOUT_S, follow_redirects=True) as answer,
            part.open("ab") as file,
        ):
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                report(num_present)
                return
            answer.raise_for_status()
            if answer.status_code == httpx.codes.PARTIAL_CONTENT:
                report(num_present)
            else:
                file.truncate(0)
            for block in answer.iter_bytes():
                file.write(block)
                report(len(block))
    except httpx.HTTPError as error:
        raise ServiceUnreachable(
            f"{url} can't be fetched: {type(error).__name__}: {error}",
            hint="Pull again: what arrived is kept, and the rest follows. TORCHVISION_MIRROR names a mirror.",
        ) from error
