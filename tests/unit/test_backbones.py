"""torchvision's networks as a beginning: a new last layer, frozen or not, and what was trained serves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import Model, Source, trained_model
from brushwork_schemas.errors import InvalidRequest, ModelUnavailable
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.classification import trained_classifier
from brushwork_workers.families.training.architecture import Architecture, head_name, untrained
from brushwork_workers.families.training.classifier_training import load
from brushwork_workers.interface import LoadSpec
from brushwork_workers.models.location import locate
from PIL import Image
from safetensors.torch import load as unpacked
from safetensors.torch import load_file, save_file
from torchvision.models import get_model_builder

from tests.desks import PlainDesk
from tests.trainings import COLOURS, place_of, spotted, trained

NAME, WEIGHTS = "shufflenet_v2_x0_5", "ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As `brushwork models pull` leaves it, of random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = get_model_builder(NAME)(weights=None)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"library": "torchvision", "weights": WEIGHTS}))
    return tmp_path


@pytest.fixture
def place(folder: Path) -> LoadSpec:
    return place_of(Source(weights=WEIGHTS), folder)


def served(made: dict[str, Any], folder: Path) -> Any:
    """What a worker makes of the files of a training."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_bytes(made["config"].bytes())
    (folder / "model.safetensors").write_bytes(made["weights"].bytes())
    model = trained_model(made["model_name"], "image-classification")
    place = LoadSpec(model, folder, torch.device("cpu"), torch.float32, SerialExecutor(), model.kinds)
    loaded = trained_classifier.load(place)
    handler = loaded.handlers["image-classification"]
    handler.warm_up()
    return handler


def test_a_frozen_backbone_stays_as_it_is(place: LoadSpec, folder: Path) -> None:
    made = trained(PlainDesk(), place, image_size=32, freeze_backbone=True, num_train_epochs=2)
    before, after = load_file(folder / "model.safetensors"), unpacked(made["weights"].bytes())
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed == {"fc.weight", "fc.bias"}
    assert after["fc.weight"].shape[0] == len(COLOURS)


def test_a_backbone_that_is_not_frozen_learns_too(place: LoadSpec, folder: Path) -> None:
    made = trained(PlainDesk(), place, image_size=32, num_train_epochs=1)
    before, after = load_file(folder / "model.safetensors"), unpacked(made["weights"].bytes())
    assert not torch.equal(before["conv1.0.weight"], after["conv1.0.weight"])
    assert not torch.equal(before["conv1.1.running_mean"], after["conv1.1.running_mean"])


@pytest.mark.parametrize("freeze", [False, True])
def test_the_next_attempt_ends_as_if_nothing_had_happened(place: LoadSpec, freeze: bool) -> None:
    asked: dict[str, Any] = {"image_size": 32, "num_train_epochs": 2, "freeze_backbone": freeze}
    whole, context = trained(PlainDesk(), place, **asked), PlainDesk()

    def kill() -> None:
        raise KeyboardInterrupt

    context.on_save = kill
    with pytest.raises(KeyboardInterrupt):
        trained(context, place, **asked)
    context.on_save = None
    resumed = trained(context, place, **asked)
    mine, theirs = unpacked(whole["weights"].bytes()), unpacked(resumed["weights"].bytes())
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("source", ["simple_cnn", NAME])
def test_what_was_trained_tells_pictures_apart(source: str, tmp_path: Path) -> None:
    context = PlainDesk()
    made = trained(
        context, place_of(Source(architecture=source)), image_size=32, num_train_epochs=20, learning_rate=3e-3
    )
    handler = served(made, tmp_path / "served")
    for number, (label, colour) in enumerate(COLOURS.items()):
        image = context.store.put(spotted(colour, 9000 + number))
        told = handler.perform(ImageClassificationRequest(image=image, top_k=9), context)["predictions"]
        assert told[0].label == label
        assert len(told) == len(COLOURS)
        assert sum(each.score for each in told) == pytest.approx(1.0)


def test_a_folder_of_ones_own_serves_what_was_trained(tmp_path: Path) -> None:
    made = trained(PlainDesk(), num_train_epochs=1)
    served(made, tmp_path)
    entry = Model(name="pets", family="trained-classifier", source=Source(folder=tmp_path))
    assert locate(entry) == tmp_path


def test_it_answers_as_the_bare_network_does(place: LoadSpec, tmp_path: Path) -> None:
    context = PlainDesk()
    made = trained(context, place, image_size=32, num_train_epochs=1)
    handler = served(made, tmp_path / "served")
    network = get_model_builder(NAME)(weights=None, num_classes=len(COLOURS)).eval()
    network.load_state_dict(unpacked(made["weights"].bytes()))
    image = context.store.put(spotted((90, 90, 90), 5))
    told = handler.perform(ImageClassificationRequest(image=image), context)["predictions"]
    resized = torch.from_numpy(np.array(context.picture(image).resize((32, 32), Image.Resampling.BILINEAR)))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = ((resized / 255 - mean) / std).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = network(pixels).softmax(1)[0]
    for each in told:
        assert each.score == pytest.approx(float(expected[made["labels"].index(each.label)]), abs=1e-5)


@pytest.mark.parametrize(
    "name",
    ["resnet18", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny", "squeezenet1_1", "vit_b_16"],
)
def test_the_last_layer_is_found(name: str) -> None:
    with torch.device("meta"):
        network = untrained(name, 7, 224)
    head = network.get_submodule(head_name(network))
    assert 7 in (getattr(head, "out_features", None), getattr(head, "out_channels", None))


@pytest.mark.parametrize("name", ["googlenet", "fcn_resnet101", "no-such-thing", "os.system"])
def test_only_classifiers_can_be_trained(name: str) -> None:
    with pytest.raises(ModelUnavailable, match="no architecture"):
        Architecture.named(name)


def test_a_folder_that_names_no_weights_is_refused(tmp_path: Path) -> None:
    for content in (None, "{}", "[]", '{"weights": "Nothing.AT_ALL"}'):
        if content is not None:
            (tmp_path / "config.json").write_text(content)
        with pytest.raises(ModelUnavailable):
            load(place_of(Source(folder=tmp_path), tmp_path))


def test_what_a_network_can_not_take_is_said(place: LoadSpec) -> None:
    with pytest.raises(InvalidRequest) as raised:
        trained(PlainDesk(), place, per_device_train_batch_size=1)
    assert raised.value.field == "per_device_train_batch_size"
    with pytest.raises(InvalidRequest) as raised:
        trained(PlainDesk(), place_of(Source(architecture="vit_b_32")), image_size=32)
    assert raised.value.field == "image_size"


def test_damaged_files_of_a_trained_model_are_refused(tmp_path: Path) -> None:
    made = trained(PlainDesk(), num_train_epochs=1)
    served(made, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for change in (
        {"labels": ["one"]},
        {"architecture": "os.system"},
        {"image_size": "large"},
        {"mean": None},
    ):
        (tmp_path / "config.json").write_text(json.dumps(config | change))
        model = Model(name="trained:a", family="trained-classifier", source=Source(job="a"))
        with pytest.raises(ModelUnavailable):
            trained_classifier.load(
                LoadSpec(model, tmp_path, torch.device("cpu"), torch.float32, SerialExecutor(), model.kinds)
            )
