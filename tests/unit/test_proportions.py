"""Pictures much longer than wide are refused where resizing would make gigapixels of them."""

from pathlib import Path

import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import InvalidImage
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.pretrained import PictureProcessor
from brushwork_workers.families.torchvision_model import TorchvisionModel
from brushwork_workers.interface import LoadSpec
from PIL import Image
from torch import nn
from torchvision.models.segmentation import FCN_ResNet101_Weights
from transformers import CLIPImageProcessor, ViTImageProcessor


def processor(folder: Path) -> PictureProcessor:
    model = Model(name="tiny", family="image-classifier", source=Source(folder=folder))
    return PictureProcessor(
        LoadSpec(model, folder, torch.device("cpu"), torch.float32, SerialExecutor(), model.kinds)
    )


@pytest.mark.parametrize("size", [(8000, 10), (10, 8000), (30000, 1)])
def test_what_would_have_gigapixels_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    CLIPImageProcessor().save_pretrained(tmp_path)
    pictures = processor(tmp_path)
    with pytest.raises(InvalidImage, match="too long and thin"):
        pictures(Image.new("RGB", size))
    assert pictures(Image.new("RGB", (1000, 10)))["pixel_values"].shape == (1, 3, 224, 224)


def test_what_is_made_square_may_be_of_any_proportions(tmp_path: Path) -> None:
    ViTImageProcessor().save_pretrained(tmp_path)
    made = processor(tmp_path)(Image.new("RGB", (8000, 10)))
    assert made["pixel_values"].shape == (1, 3, 224, 224)


def test_torchvision_s_own_preprocessing_is_bounded_too() -> None:
    transform = FCN_ResNet101_Weights.DEFAULT.transforms()
    model = TorchvisionModel(nn.Identity(), (), transform, torch.device("cpu"), torch.float32)
    with pytest.raises(InvalidImage, match="at most 29 times the shorter one"):
        model.tensor(Image.new("RGB", (8000, 10)))
    assert model.tensor(Image.new("RGB", (60, 30))).shape == (1, 3, 520, 1040)
