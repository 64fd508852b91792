"""image-classification and image-segmentation on torchvision networks from a folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.classification.torchvision_classifier import TorchvisionClassifier
from brushwork_workers.families.segmentation.class_map import palette
from brushwork_workers.families.segmentation.torchvision_segmenter import TorchvisionSegmenter
from brushwork_workers.interface import LoadSpec
from PIL import Image
from safetensors.torch import load_file
from torchvision.models import shufflenet_v2_x0_5

from tests.desks import PlainDesk
from tests.tiny_models import CLASSES, save_classifier, save_segmenter

PICTURE = Image.effect_noise((40, 56), 90).convert("RGB")
FAMILY = {
    "image-classification": "torchvision-classifier",
    "image-segmentation": "torchvision-segmenter",
}


def place(folder: Path, kind: str = "image-classification") -> LoadSpec:
    model = Model(name="tiny", family=FAMILY[kind], source=Source(folder=folder))
    return LoadSpec(model, folder, torch.device("cpu"), torch.float32, SerialExecutor())


def test_classes_equal_torchvision(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path)
    context = PlainDesk()
    request = ImageClassificationRequest(image=context.give(PICTURE))
    predictions = TorchvisionClassifier(place(folder)).perform(request, context)["predictions"]

    network = shufflenet_v2_x0_5(num_classes=len(CLASSES))
    network.load_state_dict(load_file(folder / "model.safetensors"))
    pixels = torch.from_numpy(np.array(PICTURE)).permute(2, 0, 1)[None] / 255
    resized = torch.nn.functional.interpolate(pixels, (64, 64), mode="bilinear", antialias=True)
    with torch.no_grad():
        expected = network.eval()((resized - 0.5) / 0.5)[0].softmax(0)
    assert [found.label for found in predictions] == [CLASSES[i] for i in expected.argsort(descending=True)]
    assert [found.score for found in predictions] == pytest.approx(
        sorted(expected.tolist(), reverse=True), abs=1e-4
    )


def test_top_k_cuts_the_list(tmp_path: Path) -> None:
    context = PlainDesk()
    request = ImageClassificationRequest(image=context.give(PICTURE), top_k=1)
    handler = TorchvisionClassifier(place(save_classifier(tmp_path)))
    assert len(handler.perform(request, context)["predictions"]) == 1


def test_a_mask_has_the_pictures_size_and_its_areas_sum_to_one(tmp_path: Path) -> None:
    context = PlainDesk()
    request = ImageSegmentationRequest(image=context.give(PICTURE))
    handler = TorchvisionSegmenter(place(save_segmenter(tmp_path), "image-segmentation"))
    made = handler.perform(request, context)
    mask = np.asarray(made["mask"].pil())
    assert mask.shape == (56, 40)
    assert made["overlay"].pil().size == (40, 56)
    assert sum(made["areas"].values()) == pytest.approx(1)
    for label, share in made["areas"].items():
        assert (mask == made["labels"].index(label)).mean() == pytest.approx(share)


def test_no_overlay_unless_asked_for(tmp_path: Path) -> None:
    context = PlainDesk()
    request = ImageSegmentationRequest(image=context.give(PICTURE), overlay=False)
    handler = TorchvisionSegmenter(place(save_segmenter(tmp_path), "image-segmentation"))
    assert handler.perform(request, context)["overlay"] is None


def test_the_palette_tells_classes_apart() -> None:
    colours = np.array(palette(21)).reshape(-1, 3)
    assert colours[0].tolist() == [0, 0, 0]
    assert len(np.unique(colours, axis=0)) == 21


@pytest.mark.parametrize(
    "constructor",
    ["os.system", "torchvision.models._utils.load", "torchvision.models._meta", "builtins.eval"],
)
def test_a_configuration_may_only_name_torchvisions_models(tmp_path: Path, constructor: str) -> None:
    folder = save_classifier(tmp_path, constructor)
    with pytest.raises(ModelUnavailable, match="only constructors in torchvision"):
        TorchvisionClassifier(place(folder))


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["model"]["kwargs"]["num_classes"] = 5
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(RuntimeError, match="size mismatch"):
        TorchvisionClassifier(place(folder))
