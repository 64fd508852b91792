"""Small datasets that are easily learned, and a training without a system around it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.kinds.image_classification_training import ImageClassificationTrainingRequest
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.training.classifier_training import ImageClassificationTraining
from brushwork_workers.interface import LoadSpec
from PIL import Image

from tests.archives import zipped
from tests.desks import PlainDesk

COLOURS = {"blue": (40, 60, 200), "green": (40, 180, 60), "red": (200, 50, 40)}


def spotted(colour: tuple[int, int, int], seed: int, side: int = 20) -> bytes:
    """A noisy picture of mostly that colour."""
    noise = np.random.default_rng(seed).normal(0, 60, (side, side, 3))
    buffer = io.BytesIO()
    Image.fromarray((noise + colour).clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def colours(each: int = 10, *, below: str = "", first: int = 0) -> dict[str, bytes]:
    """So many pictures of each of three colours, in folders."""
    return {
        f"{below}{name}/{number}.png": spotted(colour, first + 1000 * index + number)
        for index, (name, colour) in enumerate(COLOURS.items())
        for number in range(each)
    }


def place_of(source: Source | None = None, folder: Path = Path(), **entry: Any) -> LoadSpec:
    model = Model(
        name="a-training",
        family="classifier-training",
        source=source or Source(architecture="simple_cnn"),
        **entry,
    )
    return LoadSpec(model, folder, torch.device("cpu"), torch.float32, SerialExecutor())


def trained(
    context: PlainDesk, place: LoadSpec | None = None, files: dict[str, bytes] | None = None, **asked: Any
) -> dict[str, Any]:
    """The result of a small training."""
    request = ImageClassificationTrainingRequest(
        dataset=context.store.put(zipped(files or colours())),
        **{"image_size": 16, "num_train_epochs": 3, "per_device_train_batch_size": 8, "seed": 1, **asked},
    )
    return ImageClassificationTraining(place or place_of()).perform(request, context)
