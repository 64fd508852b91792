"""Training of image classifiers on a dataset of the caller."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from brushwork_schemas.catalogue import TRAINED
from brushwork_schemas.errors import InvalidRequest, ModelUnavailable
from brushwork_schemas.kinds.image_classification_training import ImageClassificationTrainingRequest
from brushwork_schemas.wording.phrase import private, said
from safetensors.torch import save
from torch import Tensor

from brushwork_workers.families.training.architecture import SIMPLE, Architecture
from brushwork_workers.families.training.curve_plot import curve_plot
from brushwork_workers.families.training.dataset_split import DatasetSplit, read
from brushwork_workers.families.training.mistakes import MistakeReport, confused_pairs
from brushwork_workers.families.training.preparation import Preparation
from brushwork_workers.families.training.trainer import Trainer
from brushwork_workers.families.training.training_loop import TrainingLoop, best_epoch
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec

WEIGHTS_TYPE = "application/vnd.safetensors"


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of training jobs. It holds no weights: every job builds its own network."""
    return LoadedModules({"image-classification-training": ImageClassificationTraining(spec)})


class ImageClassificationTraining:
    """Handles training jobs that start from one architecture.

    Args:
        spec: The model to train.

    Raises:
        ModelUnavailable: There is no such architecture, or its weights are missing.
    """

    def __init__(self, spec: LoadSpec) -> None:
        self._spec = spec
        self._architecture = _architecture(spec)
        self._call = partial(spec.model_executor.call, replace(spec.options, part="training"))

    def warm_up(self) -> None:
        """Do nothing: jobs share no network."""

    def perform(self, request: ImageClassificationTrainingRequest, context: JobContext) -> dict[str, Any]:
        """Train a network and store its weights, its configuration and a plot of the learning curve."""
        _check(request, self._architecture)
        assert request.image_size is not None  # noqa: S101 - set when the job was submitted
        architecture = self._architecture
        preparation = Preparation(request.image_size, architecture.mean, architecture.std)
        split = read(context, request.dataset, preparation, request.validation_split, request.seed or 0)
        _check_split(request, split)
        arguments = (request, architecture, len(split.labels), preparation, self._spec.device)
        trainer: Trainer = self._call(partial(Trainer, *arguments))
        training_loop = TrainingLoop(request, split, trainer, self._call, context)
        training_loop.run()
        return {
            "model_name": f"{TRAINED}{context.job_id}",
            "weights": context.save_file(bytes(save(self._call(trainer.weights))), WEIGHTS_TYPE),
            "config": context.save_file(_config(architecture, preparation, split), "application/json"),
            "plot": context.save_picture(curve_plot(training_loop.curve)),
            **self._judgement(training_loop, split, trainer, context),
        }

    def _judgement(
        self, training_loop: TrainingLoop, split: DatasetSplit, trainer: Trainer, context: JobContext
    ) -> dict[str, Any]:
        """Return what the trained network gets right and wrong, with maps of its most confident mistakes."""
        logits = training_loop.logits(split.validation if len(split.validation) else split.train)
        options = replace(
            self._spec.options, part="mistakes", pixels_per_row=split.train.pixels[0, 0].numel()
        )
        report = MistakeReport(
            split,
            partial(self._spec.model_executor.call, options, trainer.logits),
            self._spec.model_executor,
            context,
            lambda _: training_loop.report(),
        )
        of_validation = logits[: len(split.validation)]
        return {**_metrics(training_loop, split, logits.argmax(dim=1)), **report.fields(of_validation)}


def _architecture(spec: LoadSpec) -> Architecture:
    source = spec.model.source
    if source.architecture is not None:
        return Architecture.named(source.architecture)
    try:
        weights = str(json.loads((spec.folder / "config.json").read_text("utf-8"))["weights"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            said(
                "Model {model}: config.json in {folder} does not name weights of torchvision: {error}.",
                model=spec.model.name,
                folder=private(spec.folder, "its folder"),
                error=private(repr(error)),
            ),
            field="source",
            hint=said("Download them with: brushwork models pull {model}", model=spec.model.name),
        ) from error
    return Architecture.pretrained(weights, spec.folder / "model.safetensors")


def _check(request: ImageClassificationTrainingRequest, architecture: Architecture) -> None:
    if request.freeze_backbone and architecture.weights is None:
        raise InvalidRequest(
            "freeze_backbone: this model has no pretrained weights that could be frozen.",
            field="freeze_backbone",
            hint="Leave freeze_backbone out, or train a model with pretrained weights.",
        )
    if request.per_device_train_batch_size == 1 and architecture.name != SIMPLE:
        raise InvalidRequest(
            "per_device_train_batch_size: a network with batch normalisation needs at least 2 pictures.",
            field="per_device_train_batch_size",
            hint="Set per_device_train_batch_size to 2 or more.",
        )


def _check_split(request: ImageClassificationTrainingRequest, split: DatasetSplit) -> None:
    if request.early_stopping_patience is not None and not len(split.validation):
        raise InvalidRequest(
            "early_stopping_patience: the dataset has no validation pictures.",
            field="early_stopping_patience",
            hint="Set validation_split, or add a folder named validation to the archive.",
        )


def _config(architecture: Architecture, preparation: Preparation, split: DatasetSplit) -> bytes:
    content = {
        "library": "brushwork",
        "architecture": architecture.name,
        "image_size": preparation.image_size,
        "mean": preparation.mean,
        "std": preparation.std,
        "labels": split.labels,
    }
    return json.dumps(content, ensure_ascii=False, indent=2).encode()


def _metrics(training_loop: TrainingLoop, split: DatasetSplit, predictions: Tensor) -> dict[str, Any]:
    best = best_epoch(training_loop.curve)
    evaluate = split.validation if len(split.validation) else split.train
    confusion = _confusion_matrix(evaluate.labels, predictions, len(split.labels))
    return {
        "labels": split.labels,
        "curve": training_loop.curve,
        "best_epoch": best,
        "train_accuracy": training_loop.curve[best - 1].train_accuracy,
        "validation_accuracy": training_loop.curve[best - 1].validation_accuracy,
        "confusion_matrix": confusion,
        "confused_pairs": confused_pairs(confusion, split.labels),
        "num_train_images": len(split.train),
        "num_validation_images": len(split.validation),
        "filename_encoding": split.filename_encoding,
    }


def _confusion_matrix(labels: Tensor, predictions: Tensor, num_classes: int) -> tuple[tuple[int, ...], ...]:
    counts = torch.bincount(labels * num_classes + predictions, minlength=num_classes**2)
    rows = counts.reshape(num_classes, num_classes).tolist()
    return tuple(tuple(row) for row in rows)
