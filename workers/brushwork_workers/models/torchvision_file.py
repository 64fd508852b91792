"""Published weights of torchvision: downloaded as a pickle, stored as safetensors.

The name of the published file contains the beginning of its SHA-256, which is checked, as in `torch.hub`.
Only `brushwork models pull` reads the pickle, with the restricted unpickler of torch; workers never read it.
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
from brushwork_schemas.wording.phrase import private, said
from safetensors.torch import save_file
from torchvision.models import get_weight

from brushwork_workers.models.download import download

FILES = ("config.json", "model.safetensors")
TIMEOUT_S = 30.0
_OFFICIAL = "https://download.pytorch.org/models/"
_HASH = re.compile(r"-([0-9a-f]{8,})\.pth$")


class TorchvisionFile:
    """The file of published weights of torchvision.

    Args:
        weights: The member of the weights enumeration of torchvision.
    """

    def __init__(self, weights: Any) -> None:
        self._weights = weights

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the file of weights by name, for example `ResNet50_Weights.IMAGENET1K_V2`.

        Raises:
            ModelUnavailable: torchvision has no such weights.
        """
        try:
            return cls(get_weight(name))
        except (ValueError, AttributeError, KeyError) as error:
            raise ModelUnavailable(
                said("torchvision lists no weights {name!r}.", name=name),
                field="source.weights",
                hint="Use a name such as ResNet50_Weights.IMAGENET1K_V2; see the list in torchvision.models.",
            ) from error

    @property
    def size_bytes(self) -> int:
        """The approximate size of the file, from torchvision."""
        return int(self._weights.meta.get("_file_size", 0) * 2**20)

    @property
    def url(self) -> str:
        """The address of the file. `TORCHVISION_MIRROR` replaces download.pytorch.org/models."""
        mirror = torchvision_mirror()
        official: str = self._weights.url
        return official.replace(_OFFICIAL, mirror.rstrip("/") + "/") if mirror else official

    def fetch(self, folder: Path, report: Callable[[int], None]) -> dict[str, str]:
        """Download the weights, and write `config.json` and `model.safetensors`.

        Args:
            folder: The folder to write to.
            report: Called with the number of bytes of each part that arrives.

        Returns:
            The SHA-256 of the written files, by name.

        Raises:
            HashMismatch: The download is not the file that torchvision published. It is deleted.
            PickledWeights: The file contains other objects than tensors.
            ServiceUnreachable: The server cannot be reached.
        """
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "download.part"
        _download(self.url, part, report)
        expected = _HASH.search(self._weights.url)
        found = sha256_of_file(part)
        if expected is None or not found.startswith(expected[1]):
            part.unlink()
            raise HashMismatch(
                said(
                    "{url} is not the file that torchvision published: its SHA-256 is {found}.",
                    url=private(self.url, "its file"),
                    found=found,
                ),
                field="source.weights",
                hint="Run the command again. If the error remains, check the mirror or proxy that answers.",
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
            said("{file} contains other objects than tensors, or is damaged.", file=file.name),
            field="source.weights",
            hint="Run the command again. If the error remains, use other weights.",
        ) from error
    return {name: tensor.contiguous().clone() for name, tensor in state.items()}


def _download(url: str, part: Path, report: Callable[[int], None]) -> None:
    """Download a file to `part`, or resume its download."""
    try:
        download(url, part, report, timeout_s=TIMEOUT_S)
    except httpx.HTTPError as error:
        raise ServiceUnreachable(
            said(
                "{url} cannot be downloaded: {type}: {error}",
                url=private(url, "its file"),
                type=type(error).__name__,
                error=private(error),
            ),
            hint="Run the command again: it continues where it stopped. "
            "To use a mirror, set TORCHVISION_MIRROR.",
        ) from error
