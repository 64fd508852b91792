"""Pictures for networks that may also be told the task."""

import json
import math
from pathlib import Path
from typing import Any

from brushwork_schemas.errors import ModelFileMissing
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, OneFormerProcessor

from brushwork_workers.families.pretrained import tokenizer
from brushwork_workers.interface import LoadSpec

TASKS = ("semantic", "instance", "panoptic")
_SETTINGS = ("preprocessor_config.json", "processor_config.json")


class TaskPictures:
    """The folder's image processor; for OneFormer also the three tasks, as tokens.

    Args:
        spec: Which model, from where, onto what.

    Attributes:
        processor: It knows what a network's queries mean, too.
        pixels: Of a square picture as it comes out, for `CallOptions.pixels_per_row`.

    Raises:
        ModelFileMissing: OneFormer's list of classes is not in the folder; transformers would fetch it.
    """

    def __init__(self, spec: LoadSpec) -> None:
        self._spec = spec
        is_told = spec.model.family == "oneformer"
        options = {"repo_path": str(_with_classes(spec))} if is_told else {}
        self.processor = AutoImageProcessor.from_pretrained(
            spec.folder, local_files_only=True, trust_remote_code=False, **options
        )
        self._tokens = self._tasks() if is_told else {}
        self.pixels = math.prod(self(Image.new("RGB", (64, 64)), "semantic")["pixel_values"].shape[-2:])

    def __call__(self, picture: Image.Image, task: str) -> dict[str, Tensor]:
        """The picture as the network wants it; the first axis counts pictures."""
        made = self.processor(images=picture, return_tensors="pt")
        inputs: dict[str, Tensor] = {**made.to(self._spec.device, self._spec.dtype)}
        if self._tokens:
            inputs["task_inputs"] = self._tokens[task].to(self._spec.device)
        return inputs

    def _tasks(self) -> dict[str, Tensor]:
        black = Image.new("RGB", (64, 64))
        words = tokenizer(self._spec)._module
        whole: Any = OneFormerProcessor(self.processor, words, **self._lengths())
        return {
            task: whole(images=black, task_inputs=[task], return_tensors="pt")["task_inputs"]
            for task in TASKS
        }

    def _lengths(self) -> dict[str, int]:
        known = _settings(self._spec.folder)
        return {name: known[name] for name in ("max_seq_length", "task_seq_length") if name in known}


def _with_classes(spec: LoadSpec) -> Path:
    named = _settings(spec.folder).get("class_info_file")
    if named and not (spec.folder / named).is_file():
        raise ModelFileMissing(
            f"Model {spec.model.name}: {spec.folder / named} is missing, which its preprocessing names.",
            field="source",
            hint="It is in the data set repository shi-labs/oneformer_demo; put it into the model's folder.",
        )
    return spec.folder


def _settings(folder: Path) -> dict[str, Any]:
    """Of the processor and of its image processor, in one; newer checkpoints keep the second in the first."""
    found: dict[str, Any] = {}
    for file in (folder / name for name in _SETTINGS):
        if file.is_file():
            found |= json.loads(file.read_text("utf-8"))
    return {**found, **found.get("image_processor", {})}
