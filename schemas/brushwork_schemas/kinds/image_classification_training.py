"""Kind `image-classification-training`: a classifier trained on pictures of the caller."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Archive, Artifact
from brushwork_schemas.kinds.examples import UPLOADED_ARCHIVE
from brushwork_schemas.kinds.explanations.mistakes import (
    ConfusedPair,
    WrongPrediction,
    mistake_blocks,
    mistake_facts,
    sample_mistakes,
)
from brushwork_schemas.kinds.kind import Kind, ModelTraining, ReadPicture
from brushwork_schemas.kinds.request import CHINESE, Request
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.kinds.view import (
    Block,
    Cell,
    Chart,
    Line,
    Localized,
    Matrix,
    Properties,
    Table,
    in_percent,
)

if TYPE_CHECKING:
    from brushwork_schemas.job import Job

# Larger matrices are complete only in the JSON of a result.
MOST_CLASSES_SHOWN = 30


class ImageClassificationTrainingRequest(Request):
    """Train a classifier on pictures in one folder for each class."""

    SPECIAL = frozenset({"freeze_backbone"})
    ADVANCED = Request.ADVANCED | {
        *("per_device_train_batch_size", "learning_rate", "weight_decay", "optimizer", "augmentation"),
        *("validation_split", "early_stopping_patience", "freeze_backbone"),
    }

    dataset: Archive = Field(
        title="Dataset",
        description="A zip or tar archive with a folder for each class, or with such folders in train/ and "
        "validation/ (or val/, valid/).",
    )
    image_size: int | None = Field(
        None,
        ge=16,
        le=512,
        title="Picture size",
        description="Side to which pictures are resized, in pixels.",
    )
    num_train_epochs: int = Field(
        5, ge=1, le=1000, title="Epochs", description="Number of passes over the training pictures."
    )
    per_device_train_batch_size: int = Field(
        32, ge=1, le=1024, title="Batch size", description="Pictures per training step."
    )
    learning_rate: float = Field(
        1e-3,
        gt=0.0,
        le=10.0,
        allow_inf_nan=False,
        title="Learning rate",
        description="Step size of the optimizer.",
    )
    weight_decay: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        allow_inf_nan=False,
        title="Weight decay",
        description="Weight decay of the optimizer.",
    )
    optimizer: Literal["adam", "adamw"] = Field("adam", title="Optimizer", description="Adam or AdamW.")
    augmentation: Literal["none", "light", "strong"] = Field(
        "none",
        title="Augmentation",
        description="Random shifts, flips and colour changes of training pictures.",
    )
    validation_split: float = Field(
        0.2,
        ge=0.0,
        le=0.9,
        allow_inf_nan=False,
        title="Validation split",
        description="Share of pictures held out for validation, if the archive has no validation folder.",
    )
    early_stopping_patience: int | None = Field(
        None,
        ge=1,
        le=1000,
        title="Early stopping patience",
        description="Stop after this many epochs without a better validation result.",
    )
    freeze_backbone: bool = Field(
        False,
        title="Freeze backbone",
        description="Train only the new classification head, for models with a backbone.",
    )
    seed: int | None = Field(
        None,
        ge=0,
        le=2**63 - 1,
        title="Seed",
        description="Seed of the split, the weights and the order of pictures. Random by default.",
    )

    @property
    def summary(self) -> str:
        """Number of epochs."""
        return "1 epoch" if self.num_train_epochs == 1 else f"{self.num_train_epochs} epochs"

    @property
    def cost(self) -> float:
        """Megapixels of 1,000 pictures per epoch, because pictures are counted only once they are read."""
        return 1000.0 * self.num_train_epochs * (self.image_size or 64) ** 2 / 1e6


class Epoch(BaseModel):
    """One pass over the training pictures, and the loss and accuracy after it."""

    model_config = ConfigDict(frozen=True)

    epoch: int = Field(description="Counted from 1.")
    train_loss: float = Field(description="Mean cross-entropy.")
    train_accuracy: float = Field(description="Share of correct answers during training, 0 to 1.")
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    seconds: float


class ImageClassificationTrainingResult(Result):
    """The trained model, which serves as `trained:<job id>`, and the course of its training."""

    model_name: str = Field(description="Value for `model` of image-classification: trained:<job id>.")
    weights: Artifact = Field(description="Weights in safetensors format.")
    config: Artifact = Field(description="JSON: architecture, class names, picture size and normalisation.")
    plot: Artifact = Field(description="Loss and accuracy by epoch, as PNG.")
    labels: tuple[str, ...]
    curve: tuple[Epoch, ...]
    best_epoch: int = Field(
        description="Epoch of the weights: the best on validation pictures, else the last."
    )
    train_accuracy: float
    validation_accuracy: float | None = None
    confusion_matrix: tuple[tuple[int, ...], ...] = Field(
        description="Counts on the validation pictures, or on the training pictures if there are none: "
        "rows are true classes, columns are answers."
    )
    confused_pairs: tuple[ConfusedPair, ...] = Field(
        (), description="The most frequent mistakes of `confusion_matrix`, most frequent first."
    )
    wrong_predictions: tuple[WrongPrediction, ...] = Field(
        (),
        description="The most confident mistakes on validation pictures, most confident first. "
        "`explanation.maps` has a map of each answer, in the same order.",
    )
    num_train_images: int
    num_validation_images: int
    filename_encoding: str | None = Field(
        None,
        description="Encoding of the archive's file names, such as `gb18030`, if it was detected because "
        "the archive does not state it.",
    )


def _facts(result: ImageClassificationTrainingResult) -> Iterable[tuple[str, str]]:
    yield "model", result.model_name
    yield "classes", ", ".join(result.labels)
    yield "pictures", f"{result.num_train_images} for training, {result.num_validation_images} for validation"
    if result.validation_accuracy is not None:
        yield "validation", f"{result.validation_accuracy:.1%} correct"
    yield "training", f"{result.train_accuracy:.1%} correct"
    yield from mistake_facts(result.confused_pairs, result.wrong_predictions)
    yield "weights", f"of epoch {result.best_epoch}, {result.weights.size_bytes} bytes"
    yield from curve_facts(result.curve)


def curve_facts(curve: Sequence[Epoch]) -> Iterable[tuple[str, str]]:
    """Return one line for each epoch."""
    for each in curve:
        words = [f"loss {each.train_loss:.3f}", f"{each.train_accuracy:.1%} correct"]
        if each.validation_accuracy is not None:
            words += [f"validation {each.validation_accuracy:.1%}"]
        yield f"epoch {each.epoch}", ", ".join([*words, f"{each.seconds:.1f} s"])


_TRAIN, _VALIDATION = {"en": "training", "zh": "训练"}, {"en": "validation", "zh": "验证"}
_LOSS, _ACCURACY = {"en": "Loss", "zh": "损失"}, {"en": "Accuracy", "zh": "准确率"}


def _view(job: "Job") -> Sequence[Block]:
    """Return curves and epochs, also of a job that still runs, and the confusion matrix of a finished one."""
    result = job.result if isinstance(job.result, ImageClassificationTrainingResult) else None
    curve: Sequence[Epoch] = job.curve or (result.curve if result else ())
    charts = _charts(curve, getattr(job.request, "num_train_epochs", 0))
    # A chart without lines tells the reader of a waiting job what will appear.
    blocks: list[Block] = [chart for chart in charts if chart.lines or not job.is_finished]
    if curve:
        blocks.append(_epochs(curve))
    if result is not None:
        blocks.append(_properties(result))
    if result is not None and len(result.labels) <= MOST_CLASSES_SHOWN:
        blocks.append(
            Matrix(
                title={"en": "Confusion matrix", "zh": "混淆矩阵"},
                labels=result.labels,
                rows=result.confusion_matrix,
                note={
                    "en": "Rows are true classes, columns are answers.",
                    "zh": "每行是真实类别，每列是模型的回答。",
                },
            )
        )
    if result is not None:
        blocks += mistake_blocks(result.confused_pairs, result.wrong_predictions, result.explanation)
    return blocks


def _main_pictures(result: ImageClassificationTrainingResult) -> Sequence[Artifact]:
    return (result.plot,)


def _files_by_name(result: ImageClassificationTrainingResult) -> Mapping[str, Artifact]:
    files = {"weights": result.weights, "config": result.config, "plot": result.plot}
    wrong = {f"wrong-{place}": each.picture for place, each in enumerate(result.wrong_predictions, 1)}
    return {**files, **wrong}


def _charts(curve: Sequence[Epoch], num_epochs: int) -> Iterable[Chart]:
    for title, name, is_share in ((_ACCURACY, "accuracy", True), (_LOSS, "loss", False)):
        lines = [
            Line(words, [getattr(epoch, f"{part}_{name}") for epoch in curve])
            for words, part in ((_TRAIN, "train"), (_VALIDATION, "validation"))
        ]
        measured = [line for line in lines if any(value is not None for value in line.values)]
        yield Chart(title, measured, max(num_epochs, len(curve)), is_share)


def _properties(result: ImageClassificationTrainingResult) -> Properties:
    train, validation = result.num_train_images, result.num_validation_images
    rows: list[tuple[Localized, Cell]] = [
        ({"en": "Name", "zh": "名称"}, result.model_name),
        ({"en": "Classes", "zh": "类别"}, ", ".join(result.labels)),
        ({"en": "Training accuracy", "zh": "训练准确率"}, in_percent(result.train_accuracy)),
        (
            {"en": "Pictures", "zh": "图片"},
            {
                "en": f"{train} for training, {validation} for validation",
                "zh": f"{train} 张训练，{validation} 张验证",
            },
        ),
        ({"en": "Best epoch", "zh": "最佳轮次"}, str(result.best_epoch)),
    ]
    if result.validation_accuracy is not None:
        accuracy = in_percent(result.validation_accuracy)
        rows.insert(2, ({"en": "Validation accuracy", "zh": "验证准确率"}, accuracy))
    return Properties({"en": "Trained model", "zh": "训练得到的模型"}, rows)


def _epochs(curve: Sequence[Epoch]) -> Table:
    def share(value: float | None) -> str:
        return "" if value is None else in_percent(value)

    def loss(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    columns = (
        {"en": "Epoch", "zh": "轮次"},
        {"en": "Loss", "zh": "损失"},
        {"en": "Accuracy", "zh": "准确率"},
        {"en": "Validation loss", "zh": "验证损失"},
        {"en": "Validation accuracy", "zh": "验证准确率"},
        {"en": "Seconds", "zh": "秒"},
    )
    rows = [
        (
            str(each.epoch),
            loss(each.train_loss),
            share(each.train_accuracy),
            loss(each.validation_loss),
            share(each.validation_accuracy),
            f"{each.seconds:.1f}",
        )
        for each in curve
    ]
    title = {"en": "All epochs in numbers", "zh": "各轮次的数值"}
    return Table(title, columns, rows, name="epochs", is_folded=True)


def _headline(result: ImageClassificationTrainingResult) -> str:
    accuracy = result.validation_accuracy
    return ", ".join(result.labels) + (f": {in_percent(accuracy)}" if accuracy is not None else "")


def _sample(job: "Job", picture: ReadPicture) -> Mapping[str, Any]:
    """A model that answers one picture in ten wrong."""
    curve = [
        {
            "epoch": number,
            "train_loss": 1.0 / number,
            "train_accuracy": 1 - 0.5 / number,
            "validation_loss": 1.1 / number,
            "validation_accuracy": 1 - 0.6 / number,
            "seconds": 0.1,
        }
        for number in range(1, min(job.request.num_train_epochs, 5) + 1)
    ]
    labels = ("circle", "square")
    return {
        "model_name": f"trained:{job.id}",
        "weights": (b"no weights", "application/vnd.safetensors"),
        "config": (json.dumps({"labels": labels}).encode(), "application/json"),
        "plot": _sample_plot(),
        "labels": labels,
        "curve": curve,
        "best_epoch": len(curve),
        "train_accuracy": curve[-1]["train_accuracy"],
        "validation_accuracy": curve[-1]["validation_accuracy"],
        "confusion_matrix": ((9, 1), (1, 9)),
        **sample_mistakes(labels),
        "num_train_images": 80,
        "num_validation_images": 20,
    }


def _sample_plot() -> Any:
    from PIL import Image, ImageDraw

    plot = Image.new("RGB", (64, 48), "white")
    ImageDraw.Draw(plot).line((4, 4, 16, 30, 60, 42), fill="black")
    return plot


KIND = Kind(
    name="image-classification-training",
    request_type=ImageClassificationTrainingRequest,
    result_type=ImageClassificationTrainingResult,
    title={"en": "Training", "zh": "训练"},
    action={"en": "Train a classifier on your pictures", "zh": "用您的图片训练分类器"},
    example={"dataset": UPLOADED_ARCHIVE, "num_train_epochs": 3},
    sample=_sample,
    facts=_facts,
    view=_view,
    headline=_headline,
    main_pictures=_main_pictures,
    files_by_name=_files_by_name,
    trains=ModelTraining(kind="image-classification", family="trained-classifier"),
    words={
        "zh": {
            **CHINESE,
            "result.weights.label": "权重",
            "result.config.label": "配置",
            "result.plot.label": "曲线图",
            "result.confused_pairs.label": "最常混淆的类别",
            "result.wrong_predictions.label": "最有把握的错误",
            "field.seed.hint": "用于划分、初始权重和顺序。不填则随机。",
            "field.dataset.label": "数据集",
            "field.dataset.hint": "zip 或 tar，每个类别一个文件夹，或含 train/ 与 validation/。",
            "field.image_size.label": "图片边长",
            "field.image_size.hint": "像素；所有图片缩放到此边长。",
            "field.num_train_epochs.label": "训练轮数",
            "field.num_train_epochs.hint": "遍历训练图片的次数。",
            "field.per_device_train_batch_size.label": "批大小",
            "field.per_device_train_batch_size.hint": "每步的图片数。",
            "field.learning_rate.label": "学习率",
            "field.learning_rate.hint": "",
            "field.weight_decay.label": "权重衰减",
            "field.weight_decay.hint": "",
            "field.optimizer.label": "优化器",
            "field.optimizer.hint": "",
            "field.augmentation.label": "数据增强",
            "field.augmentation.hint": "对训练图片随机平移、翻转、调色。",
            "field.validation_split.label": "验证比例",
            "field.validation_split.hint": "0 到 0.9；压缩包含 validation 文件夹时不用。",
            "field.early_stopping_patience.label": "早停轮数",
            "field.early_stopping_patience.hint": "验证结果连续多少轮没有变好就停止。",
            "field.freeze_backbone.label": "只训练分类头",
            "field.freeze_backbone.hint": "适用于有骨干网络的模型。",
            "choice.adam": "Adam",
            "choice.adamw": "AdamW",
            "choice.none": "无",
            "choice.light": "轻",
            "choice.strong": "强",
        },
        "en": {"choice.adam": "Adam", "choice.adamw": "AdamW"},
    },
    order=80,
)
