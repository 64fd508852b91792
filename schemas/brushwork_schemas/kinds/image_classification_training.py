"""Kind `image-classification-training`: a classifier trained on pictures of the caller."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Archive, Artifact
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.kinds.result import Result


class ImageClassificationTrainingRequest(Request):
    """Train a classifier on pictures in folders, one for each class."""

    SPECIAL = frozenset({"freeze_backbone"})

    dataset: Archive = Field(
        description="A zip or tar of class folders, or of train/ and validation/ with such; an artifact."
    )
    image_size: int | None = Field(None, ge=16, le=512, description="Side to which pictures are resized.")
    num_train_epochs: int = Field(5, ge=1, le=1000, description="Passes over the training pictures.")
    per_device_train_batch_size: int = Field(32, ge=1, le=1024, description="Pictures a step.")
    learning_rate: float = Field(1e-3, gt=0.0, le=10.0, allow_inf_nan=False)
    weight_decay: float = Field(0.0, ge=0.0, le=1.0, allow_inf_nan=False)
    optimizer: Literal["adam", "adamw"] = Field("adam", description="Adam, or AdamW.")
    augmentation: Literal["none", "light", "strong"] = Field(
        "none", description="Shifts, flips and colours of training pictures."
    )
    validation_split: float = Field(
        0.2,
        ge=0.0,
        le=0.9,
        allow_inf_nan=False,
        description="Share held out by the seed, where the archive has no validation folder.",
    )
    early_stopping_patience: int | None = Field(
        None, ge=1, le=1000, description="End after so many epochs without a better validation."
    )
    freeze_backbone: bool = Field(
        False, description="Train the new head alone, where the model has a backbone."
    )
    seed: int | None = Field(None, ge=0, le=2**63 - 1, description="Of split, weights and order.")

    @property
    def summary(self) -> str:
        """Epochs."""
        return "1 epoch" if self.num_train_epochs == 1 else f"{self.num_train_epochs} epochs"

    @property
    def cost(self) -> float:
        """The pictures are counted only once they are read: as a thousand an epoch."""
        return 1000.0 * self.num_train_epochs * (self.image_size or 64) ** 2 / 1e6


class Epoch(BaseModel):
    """A pass over the training pictures, and how well the model then does."""

    model_config = ConfigDict(frozen=True)

    epoch: int = Field(description="Counted from 1.")
    train_loss: float = Field(description="Mean cross-entropy.")
    train_accuracy: float = Field(description="Share right, 0 to 1, while it was trained.")
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    seconds: float


class ImageClassificationTrainingResult(Result):
    """A model, ready to classify as `trained:<job id>`, and how it came about."""

    model_name: str = Field(description="As `model` of image-classification: trained:<job id>.")
    weights: Artifact = Field(description="Safetensors.")
    config: Artifact = Field(
        description="JSON: architecture, class names, size and normalisation of pictures."
    )
    plot: Artifact = Field(description="Loss and accuracy by epoch, a PNG.")
    labels: tuple[str, ...]
    curve: tuple[Epoch, ...]
    best_epoch: int = Field(description="Whose weights these are: the best on validation, else the last.")
    train_accuracy: float
    validation_accuracy: float | None = None
    confusion_matrix: tuple[tuple[int, ...], ...] = Field(
        description="Of the validation pictures (of the training pictures where there are none): "
        "row is the true class, column what the model says."
    )
    num_train_images: int
    num_validation_images: int
