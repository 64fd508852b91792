"""Prepare pictures for networks that may also take a segmentation task as input."""

import json
import math
from pathlib import Path
from typing import Any

from brushwork_schemas.errors import ModelFileMissing
from brushwork_schemas.wording.phrase import private, said
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, OneFormerProcessor

from brushwork_workers.families.pretrained import tokenizer
from brushwork_workers.interface import LoadSpec

TASKS = ("semantic", "instance", "panoptic")
_SETTINGS = ("preprocessor_config.json", "processor_config.json")


class TaskPictures:
    """Prepares pictures with the image processor in the folder and, for OneFormer, the tokens of the task.

    Args:
        spec: The model that is loaded.

    Attributes:
        processor: The image processor, which also post-processes the queries of the network.
        pixels: Pixels of a prepared square picture, for `CallOptions.pixels_per_row`.

    Raises:
        ModelFileMissing: The class list of OneFormer is not in the folder. transformers would download it.
    """

    def __init__(self, spec: LoadSpec) -> None:
        self._spec = spec
        takes_task = spec.model.family == "oneformer"
        options = {"repo_path": str(_check_class_list(spec))} if takes_task else {}
        self.processor = AutoImageProcessor.from_pretrained(
            spec.folder, local_files_only=True, trust_remote_code=False, **options
        )
        self._tokens = self._task_tokens() if takes_task else {}
        self.pixels = math.prod(self(Image.new("RGB", (64, 64)), "semantic")["pixel_values"].shape[-2:])

    def __call__(self, picture: Image.Image, task: str) -> dict[str, Tensor]:
        """Return the inputs of the network; the first axis has one row for the picture."""
        processed = self.processor(images=picture, return_tensors="pt")
        inputs: dict[str, Tensor] = {**processed.to(self._spec.device, self._spec.dtype)}
        if self._tokens:
            inputs["task_inputs"] = self._tokens[task].to(self._spec.device)
        return inputs

    def _task_tokens(self) -> dict[str, Tensor]:
        black = Image.new("RGB", (64, 64))
        text_tokenizer = tokenizer(self._spec)._module
        processor: Any = OneFormerProcessor(self.processor, text_tokenizer, **self._token_lengths())
        return {
            task: processor(images=black, task_inputs=[task], return_tensors="pt")["task_inputs"]
            for task in TASKS
        }

    def _token_lengths(self) -> dict[str, int]:
        known = _settings(self._spec.folder)
        return {name: known[name] for name in ("max_seq_length", "task_seq_length") if name in known}


def _check_class_list(spec: LoadSpec) -> Path:
    class_list = _settings(spec.folder).get("class_info_file")
    if class_list and not (spec.folder / class_list).is_file():
        raise ModelFileMissing(
            said(
                "Model {model}: the file {folder} is missing. The configuration of its "
                "preprocessing names it.",
                model=spec.model.name,
                folder=private(spec.folder / class_list, "of its classes"),
            ),
            field="source",
            hint="Copy it from the data set repository shi-labs/oneformer_demo into the folder of the model.",
        )
    return spec.folder


def _settings(folder: Path) -> dict[str, Any]:
    """Return the settings of the processor and of its image processor as one dictionary.

    Newer checkpoints keep the settings of the image processor inside those of the processor.
    """
    found: dict[str, Any] = {}
    for file in (folder / name for name in _SETTINGS):
        if file.is_file():
            found |= json.loads(file.read_text("utf-8"))
    return {**found, **found.get("image_processor", {})}
