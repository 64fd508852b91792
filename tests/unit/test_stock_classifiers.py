"""Classifiers whose preprocessing is absent or unusual: the handler answers as the stock pipeline does."""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import BrushworkError, ModelUnavailable
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.classification.transformers_classifier import load
from brushwork_workers.interface import LoadSpec
from brushwork_workers.models.recognition import recognise
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    pipeline,
)

PICTURE = Image.effect_mandelbrot((97, 61), (-2, -1, 1, 1), 90).convert("RGB")
TINY = {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 8, 8, 8], "image_size": 32}


def spec(folder: Path) -> LoadSpec:
    entry = recognise("tiny", Source(folder=folder)).entry
    assert isinstance(entry, Model)
    assert entry.family == "image-classifier"
    return LoadSpec(entry, folder, torch.device("cpu"), torch.float32, SerialExecutor(), entry.kinds)


def scores(folder: Path) -> dict[str, float]:
    handler: Any = load(spec(folder)).handlers["image-classification"]
    logits = handler.answers([handler._pictures(PICTURE)])[0]
    return dict(zip(handler._labels, handler._probabilities_of(logits).tolist(), strict=True))


def stock_scores(folder: Path) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pipeline("image-classification", str(folder), device="cpu")(PICTURE, top_k=100)
    return {each["label"]: each["score"] for each in found}


def same_as_stock(folder: Path) -> None:
    own, stock = scores(folder), stock_scores(folder)
    assert own.keys() == stock.keys()
    assert own == {label: pytest.approx(score, abs=1e-5) for label, score in stock.items()}
    # The classes differ, else any preprocessing would do.
    assert len({round(score, 6) for score in own.values()}) == len(own)


def save(folder: Path, network: Any, processor: Mapping[str, Any], **config: Any) -> Path:
    torch.manual_seed(3)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.5)
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    return folder


def vit(**changes: Any) -> Any:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return ViTForImageClassification(ViTConfig(**sizes, image_size=32, patch_size=8, num_labels=3, **changes))


def convnext() -> Any:
    return ConvNextForImageClassification(ConvNextConfig(**TINY, num_labels=3))


UNUSUAL: dict[str, Callable[[Path], Path]] = {
    "size is a number": lambda folder: save(
        folder, vit(), {"size": 32, "image_processor_type": "ViTImageProcessor"}
    ),
    "only the old key": lambda folder: save(
        folder, vit(), {"feature_extractor_type": "ViTFeatureExtractor", "size": 32, "resample": 0}
    ),
    "no class at all": lambda folder: save(folder, vit(), {"size": {"height": 32, "width": 32}}),
    "own mean and scale": lambda folder: save(
        folder,
        vit(),
        {"image_processor_type": "ViTImageProcessor", "size": 32, "image_mean": [0.1, 0.5, 0.9],
         "image_std": [0.3, 0.2, 0.1], "rescale_factor": 0.002},
    ),
    "not normalised": lambda folder: save(
        folder, vit(), {"image_processor_type": "ViTImageProcessor", "size": 32, "do_normalize": False}
    ),
    "crop share": lambda folder: save(
        folder,
        convnext(),
        {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 32}, "crop_pct": 0.5},
    ),
    "not resized": lambda folder: save(
        folder, convnext(), {"image_processor_type": "ConvNextImageProcessor", "do_resize": False}
    ),
    "several labels": lambda folder: save(
        folder,
        vit(),
        {"image_processor_type": "ViTImageProcessor", "size": 32},
        problem_type="multi_label_classification",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual_preprocessing(tmp_path: Path, case: str) -> None:
    same_as_stock(UNUSUAL[case](tmp_path / "model"))


def save_timm(folder: Path, *, layout: str, **config: Any) -> Path:
    """A tiny network of timm with three classes, in the layout of the hub or of transformers."""
    import timm

    torch.manual_seed(5)
    arguments = {"drop_rate": 0.1}
    network = timm.create_model("test_resnet", pretrained=False, num_classes=3, **arguments)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.3)
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    folder.mkdir()
    own = {
        "architecture": "test_resnet",
        "num_classes": 3,
        "label_names": ["ring", "cross", "star"],
        "model_args": arguments,
        "pretrained_cfg": {
            **{"input_size": [3, 96, 96], "interpolation": "bilinear", "crop_pct": 0.8, "num_classes": 3},
            **{"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]},
        },
        **config,
    }
    if layout == "transformers":
        own |= {"architectures": ["TimmWrapperForImageClassification"], "model_type": "timm_wrapper"}
        state = {f"timm_model.{name}": value for name, value in state.items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(own))
    return folder


@pytest.mark.parametrize("layout", ["hub", "transformers"])
def test_timm_in_both_layouts(tmp_path: Path, layout: str) -> None:
    folder = save_timm(tmp_path / "model", layout=layout)
    same_as_stock(folder)
    assert list(scores(folder)) == ["ring", "cross", "star"]


@pytest.mark.parametrize(
    ("preparation", "word"),
    [
        ({"crop_mode": "border", "crop_pct": 1.0}, "border"),
        ({"crop_mode": "squash", "crop_pct": 0.9}, "squash"),
        ({"interpolation": "bicubic", "test_crop_pct": 0.95}, "test"),
    ],
)
def test_timm_with_other_crops(tmp_path: Path, preparation: dict[str, Any], word: str) -> None:
    cfg = {"input_size": [3, 96, 96], "mean": [0.5] * 3, "std": [0.5] * 3, "num_classes": 3, **preparation}
    same_as_stock(save_timm(tmp_path / word, layout="hub", pretrained_cfg=cfg))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"architecture": "hf-hub:someone/else"}, "not the name of an architecture"),
        ({"architecture": "local-dir:x"}, "not the name of an architecture"),
        ({"architecture": None}, "not the name of an architecture"),
        ({"model_args": {"checkpoint_path": "x.pth"}}, "checkpoint_path"),
        ({"model_args": {"pretrained": True}}, "pretrained"),
        ({"model_args": ["x"]}, "model_args"),
        ({"num_classes": 0}, "no classes"),
        ({"auto_map": {"AutoModel": "mine.Model"}}, "auto_map"),
    ],
)
def test_timm_that_is_refused(tmp_path: Path, config: dict[str, Any], words: str) -> None:
    folder = save_timm(tmp_path / "model", layout="hub", **config)
    with pytest.raises(ModelUnavailable, match=words):
        recognise("tiny", Source(folder=folder))


def test_pickled_weights_of_timm_are_refused(tmp_path: Path) -> None:
    folder = save_timm(tmp_path / "model", layout="hub")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(BrushworkError) as refused:
        recognise("tiny", Source(folder=folder))
    assert refused.value.code == "pickled_weights"


def test_a_long_and_thin_picture_is_refused_by_timm_as_by_others(tmp_path: Path) -> None:
    handler: Any = load(spec(save_timm(tmp_path / "model", layout="hub"))).handlers["image-classification"]
    with pytest.raises(BrushworkError, match="too long and thin"):
        handler._pictures(Image.new("RGB", (30_000, 1)))


@pytest.mark.parametrize("name", ["sdxl.safetensors", "LoRA.SAFETENSORS", "model.gguf"])
def test_a_single_file_in_place_of_a_folder_is_refused_with_the_option_for_files(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ModelUnavailable, match="is a single file") as refused:
        recognise("tiny", Source(folder=tmp_path / name))
    assert "--file FILE --base NAME" in str(refused.value.hint)


@pytest.mark.parametrize("name", ["model.ckpt", "model.pth", "pytorch_model.BIN"])
def test_a_single_pickle_is_refused_as_a_pickle(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(BrushworkError) as refused:
        recognise("tiny", Source(folder=tmp_path / name))
    assert refused.value.code == "pickled_weights"
