"""What models that look at pictures refuse, and what they say of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import InvalidRequest, ModelFileMissing, ModelUnavailable
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest
from brushwork_schemas.kinds.image_to_text import ImageToTextRequest
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.loaders import Loaders
from brushwork_workers.families.torchvision_weights import TorchvisionWeights
from brushwork_workers.interface import Handler, LoadSpec
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.checkpoints.captioners import save_blip, save_florence
from tests.checkpoints.classifiers import save_vit
from tests.checkpoints.segmenters import save_oneformer, save_sam2
from tests.desks import PlainDesk

PICTURE = Image.effect_noise((48, 40), 90).convert("RGB")


def loaded(folder: Path, family: str) -> Handler:
    model = Model(name="tiny", family=family, source=Source(folder=folder))
    place = LoadSpec(model, folder, torch.device("cpu"), torch.float32, SerialExecutor(), model.kinds)
    return Loaders()[family](place).handlers[model.kinds[0]]


@pytest.fixture(scope="module")
def sam2(tmp_path_factory: pytest.TempPathFactory) -> Handler:
    return loaded(save_sam2(tmp_path_factory.mktemp("sam2")), "sam-2")


@pytest.fixture(scope="module")
def florence(tmp_path_factory: pytest.TempPathFactory) -> Handler:
    return loaded(save_florence(tmp_path_factory.mktemp("florence")), "florence-2")


@pytest.mark.parametrize(
    ("shown", "field"),
    [
        ({"points": [{"x": 48, "y": 3}]}, "points.0"),
        ({"points": [{"x": 3, "y": 3}, {"x": 3, "y": 41}]}, "points.1"),
        ({"boxes": [{"x_min": 1, "y_min": 1, "x_max": 49, "y_max": 9}]}, "boxes.0"),
        ({"boxes": [{"x_min": 9, "y_min": 1, "x_max": 9, "y_max": 9}]}, "boxes.0"),
    ],
)
def test_what_is_shown_lies_in_the_picture(sam2: Handler, shown: Mapping[str, Any], field: str) -> None:
    context = PlainDesk()
    request = ImageSegmentationRequest.model_validate({"image": context.give(PICTURE), **shown})
    with pytest.raises(InvalidRequest) as refused:
        sam2.perform(request, context)
    assert refused.value.field == field
    assert refused.value.hint


@pytest.mark.parametrize("prompt", ["<CAPTION> a dog", "<REGION_TO_CATEGORY>", "what is this", "<>"])
def test_a_prompt_of_florence_is_one_of_its_tasks(florence: Handler, prompt: str) -> None:
    context = PlainDesk()
    request = ImageToTextRequest(image=context.give(PICTURE), prompt=prompt)
    with pytest.raises(InvalidRequest, match="is not a task of this model") as refused:
        florence.perform(request, context)
    assert "<OD>" in str(refused.value.hint)


def test_a_model_of_one_language_refuses_the_other(tmp_path: Path) -> None:
    context = PlainDesk()
    request = ImageToTextRequest(image=context.give(PICTURE), language="zh")
    with pytest.raises(InvalidRequest, match="does not write 'zh'"):
        loaded(save_blip(tmp_path), "blip").perform(request, context)


def test_the_list_of_classes_is_not_fetched(tmp_path: Path) -> None:
    (save_oneformer(tmp_path) / "classes.json").unlink()
    with pytest.raises(ModelFileMissing, match=r"classes\.json is missing"):
        loaded(tmp_path, "oneformer")


def test_parameters_that_the_files_lack_are_not_made_up(tmp_path: Path) -> None:
    file = save_vit(tmp_path) / "model.safetensors"
    state = load_file(file)
    save_file({k: v for k, v in state.items() if k != "classifier.weight"}, file, {"format": "pt"})
    with pytest.raises(ModelUnavailable, match=r"1 parameters of .* missing .*: classifier\.weight"):
        loaded(tmp_path, "image-classifier")


@pytest.mark.parametrize("name", ["ResNet50_Weights", "ResNet50_Weights.NONE", "os.path", ""])
def test_weights_that_torchvision_does_not_list(name: str) -> None:
    with pytest.raises(ModelUnavailable, match="not among torchvision's weights"):
        TorchvisionWeights.named(name)
