"""The loop over the epochs of a training, which can resume from a checkpoint."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from brushwork_schemas.kinds.image_classification_training import Epoch, ImageClassificationTrainingRequest
from torch import Tensor

from brushwork_workers.families.training.augmentation import augment
from brushwork_workers.families.training.checkpoint import Checkpoint
from brushwork_workers.families.training.curve_plot import curve_plot
from brushwork_workers.families.training.dataset_split import DatasetSplit, Examples, batches_of
from brushwork_workers.families.training.rng import generator
from brushwork_workers.families.training.trainer import Trainer
from brushwork_workers.interface import JobContext

LOGGER = logging.getLogger(__name__)
# Evaluation needs no gradients and so little memory: its batches can be large.
EVALUATION_BATCH_SIZE = 128
OnDevice = Callable[..., Any]


class TrainingLoop:
    """Runs one training.

    Args:
        request: The complete request, with the number of epochs and the batch size.
        split: The dataset.
        trainer: The network in training.
        on_device: Calls a function on the device thread and returns its result.
        context: The context of the job, for progress, previews and checkpoints.

    Attributes:
        curve: The finished epochs.
    """

    def __init__(
        self,
        request: ImageClassificationTrainingRequest,
        split: DatasetSplit,
        trainer: Trainer,
        on_device: OnDevice,
        context: JobContext,
    ) -> None:
        self._request = request
        self._seed = request.seed or 0
        self._split = split
        self._trainer = trainer
        self._on_device = on_device
        self._context = context
        self._size = request.per_device_train_batch_size
        self._steps_per_epoch = len(batches_of(torch.arange(len(split.train)), self._size))
        self._best: Mapping[str, Tensor] = {}
        self.curve: tuple[Epoch, ...] = ()

    def run(self) -> None:
        """Train until all epochs are done or early stopping ends the training, then load the best weights.

        Raises:
            JobStopped: The job was canceled.
            InvalidRequest: The loss is not finite.
        """
        self._resume()
        while not self._is_over():
            self._epoch(len(self.curve))
        self._on_device(self._trainer.load_trained, self._best)

    def evaluate(self, examples: Examples, steps_in_epoch: int = 0) -> tuple[float, Tensor]:
        """Return the mean cross-entropy of examples and the predicted classes, int64 [n].

        Args:
            examples: The examples, at least one.
            steps_in_epoch: Steps that are done of the unfinished epoch, for the progress.
        """
        total, predictions = 0.0, []
        for batch in examples.batches(EVALUATION_BATCH_SIZE):
            loss, classes = self._on_device(self._trainer.evaluate_batch, batch)
            total += loss * len(batch)
            predictions.append(classes)
            self._step(steps_in_epoch)
        return total / len(examples), torch.cat(predictions)

    def logits(self, examples: Examples) -> Tensor:
        """Return the logits of examples, float32 [n, classes].

        Args:
            examples: The examples, at least one.
        """
        found = []
        for batch in examples.batches(EVALUATION_BATCH_SIZE):
            found.append(self._on_device(self._trainer.logits, batch.pixels))
            self.report()
        return torch.cat(found)

    def report(self) -> None:
        """Report the progress of finished epochs, and stop if the job must stop."""
        self._step()

    @property
    def _steps_done(self) -> int:
        return len(self.curve) * self._steps_per_epoch

    def _step(self, steps_in_epoch: int = 0) -> None:
        """Report the progress: steps of finished epochs and of the current one."""
        self._context.progress(
            self._steps_done + steps_in_epoch, self._request.num_train_epochs * self._steps_per_epoch
        )

    def _resume(self) -> None:
        saved = self._context.checkpoint()
        if saved is None:
            return
        try:
            checkpoint = Checkpoint.from_bytes(saved.data)
            curve = tuple(Epoch.model_validate(epoch) for epoch in saved.summary)
            self._on_device(self._trainer.resume, checkpoint.state)
        except ValueError as error:
            # For example a checkpoint of an older version of brushwork.
            LOGGER.warning("Job %s starts from the beginning: %s", self._context.job_id, error)
            return
        self.curve, self._best = curve, checkpoint.best
        LOGGER.info("Job %s resumes after epoch %d", self._context.job_id, len(self.curve))

    def _is_over(self) -> bool:
        patience = self._request.early_stopping_patience
        is_patience_used_up = patience is not None and len(self.curve) - best_epoch(self.curve) >= patience
        return len(self.curve) >= self._request.num_train_epochs or (bool(self.curve) and is_patience_used_up)

    def _epoch(self, index: int) -> None:
        started = time.monotonic()
        train_loss, train_accuracy = self._train_epoch(index)
        loss = accuracy = None
        if len(self._split.validation):
            loss, predictions = self.evaluate(self._split.validation, self._steps_per_epoch)
            accuracy = accuracy_of(predictions, self._split.validation.labels)
        epoch = Epoch(
            epoch=index + 1,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            validation_loss=loss,
            validation_accuracy=accuracy,
            seconds=time.monotonic() - started,
        )
        self._finish_epoch((*self.curve, epoch))

    def _finish_epoch(self, curve: tuple[Epoch, ...]) -> None:
        if best_epoch(curve) == len(curve):
            self._best = self._on_device(self._trainer.trained_weights)
        checkpoint = Checkpoint(self._on_device(self._trainer.state), self._best)
        summary = [each.model_dump(mode="json") for each in curve]
        self._context.save_checkpoint(checkpoint.to_bytes(self._context.job_id), summary)
        self.curve = curve
        self._step()
        if self._context.wants_preview():
            self._context.show_preview(curve_plot(curve))

    def _train_epoch(self, index: int) -> tuple[float, float]:
        """Train on every picture once. Return the mean cross-entropy and the accuracy, 0 to 1."""
        train, total, num_correct = self._split.train, 0.0, 0
        order = torch.randperm(len(train), generator=generator(self._seed, "order", index))
        augmentation_rng = generator(self._seed, "augmentation", index)
        for number, batch in enumerate(train.batches(self._size, order)):
            pixels = augment(batch.pixels, self._request.augmentation, augmentation_rng)
            augmented = Examples(pixels, batch.labels)
            loss, correct = self._on_device(self._trainer.step, augmented, self._steps_done + number)
            total, num_correct = total + loss * len(batch), num_correct + correct
            self._step(number + 1)
        return total / len(train), num_correct / len(train)


def best_epoch(curve: Sequence[Epoch]) -> int:
    """Return the best epoch, counted from 1: highest validation accuracy, then lowest validation loss.

    Without validation examples it is the last epoch; without any epoch it is 0.
    """
    if not curve or curve[-1].validation_accuracy is None:
        return len(curve)
    best = max(curve, key=lambda epoch: (epoch.validation_accuracy or 0.0, -(epoch.validation_loss or 0.0)))
    return best.epoch


def accuracy_of(predictions: Tensor, labels: Tensor) -> float:
    """Return the share of correct predictions, 0 to 1."""
    return float((predictions == labels).float().mean())
