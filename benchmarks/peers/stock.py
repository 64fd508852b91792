"""Direct calls of library classes for the peers. This module imports nothing of brushwork."""

import base64
import importlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision.transforms.v2 import functional as transforms

Job = Mapping[str, Any]
TOP = 5


class Painter:
    """diffusers' StableDiffusionPipeline, float32 on the CPU, warmed up.

    Args:
        folder: Where the model is.
    """

    def __init__(self, folder: str | Path) -> None:
        from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

        self._pipeline = StableDiffusionPipeline.from_pretrained(folder)
        self._pipeline.set_progress_bar_config(disable=True)
        warm = {"prompt": "a red circle", "seed": 0, "num_inference_steps": 2, "guidance_scale": 2.0}
        self.paint([warm])
        self.paint([warm, warm])

    def paint(self, jobs: Sequence[Job]) -> list[Image.Image]:
        """One picture for each job, in one static batch; steps and guidance are those of the first."""
        pictures: list[Image.Image] = self._pipeline(
            [job["prompt"] for job in jobs],
            num_inference_steps=jobs[0]["num_inference_steps"],
            guidance_scale=jobs[0]["guidance_scale"],
            generator=[torch.Generator("cpu").manual_seed(job["seed"]) for job in jobs],
        ).images
        return pictures


class Classifier:
    """A torchvision classifier from the folder that brushwork reads too, float32 on the CPU, warmed up.

    Args:
        folder: Where `config.json` and `model.safetensors` are.
    """

    def __init__(self, folder: str | Path) -> None:
        config = json.loads((Path(folder) / "config.json").read_text("utf-8"))
        module, name = config["model"]["constructor"].rsplit(".", 1)
        self._network = getattr(importlib.import_module(module), name)(**config["model"]["kwargs"]).eval()
        self._network.load_state_dict(load_file(Path(folder) / "model.safetensors"))
        self._labels: list[str] = config["labels"]
        self._preprocess: dict[str, Any] = config["preprocess"]
        black = self.prepared(Image.new("RGB", (224, 224)))
        self.classify([black])
        self.classify([black] * 64)

    def tensor(self, image: str) -> torch.Tensor:
        """The network's input [3, side, side] for a PNG in base64."""
        return self.prepared(Image.open(io.BytesIO(base64.b64decode(image))).convert("RGB"))

    def prepared(self, picture: Image.Image) -> torch.Tensor:
        """The network's input [3, side, side] for a picture."""
        side = self._preprocess["resize"]
        pixels = transforms.to_dtype(transforms.pil_to_tensor(picture), torch.float32, scale=True)
        resized = transforms.resize(pixels, [side, side], antialias=True)
        normal: torch.Tensor = transforms.normalize(
            resized, self._preprocess["mean"], self._preprocess["std"]
        )
        return normal

    @torch.inference_mode()
    def classify(self, tensors: Sequence[torch.Tensor]) -> list[list[list[Any]]]:
        """Label and probability of the best classes of each input, in one batch."""
        shares = torch.softmax(self._network(torch.stack(list(tensors))), dim=1)
        scores, indices = shares.topk(min(TOP, len(self._labels)))
        return [
            [[self._labels[index], score] for index, score in zip(row, best, strict=True)]
            for row, best in zip(indices.tolist(), scores.tolist(), strict=True)
        ]


def png_base64(picture: Image.Image) -> str:
    """A picture as JSON can carry it."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
