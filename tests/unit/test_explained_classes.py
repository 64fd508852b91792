"""Classifiers of every family explain their class: by each method, beside others, in half precision."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.kinds.explanations.result import Explanation
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.engine_use import may_use_engine
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.explanations.input_place import InputPlace
from brushwork_workers.families.classification import (
    torchvision_classifier,
    transformers_classifier,
    zero_shot,
)
from brushwork_workers.interface import LoadSpec
from brushwork_workers.pocket import WEIGHTS
from PIL import Image
from torchvision.transforms.v2 import functional as transforms

from tests.checkpoints.classifiers import save_clip, save_resnet, save_siglip, save_vit
from tests.drawn import drawn
from tests.explained import KeptFiles
from tests.stops import Going
from tests.unit.test_stock_classifiers import save_timm

LABELS = ("a", "b", "c")


def handler(
    family: str, folder: Path, executor: ModelExecutor | None = None, dtype: torch.dtype = torch.float32
) -> Any:
    load = {"torchvision-classifier": torchvision_classifier.load, "clip": zero_shot.load}
    entry = Model(name="tiny", family=family, source=Source(folder=folder), kinds=("image-classification",))
    given = LoadSpec(entry, folder, torch.device("cpu"), dtype, executor or SerialExecutor(), entry.kinds)
    loaded = load.get(family, zero_shot.load if family == "siglip" else transformers_classifier.load)(given)
    return loaded.handlers["image-classification"]


def saved(family: str, folder: Path) -> tuple[str, Path]:
    match family:
        case "pocket":
            return "torchvision-classifier", WEIGHTS / "pocket-classifier"
        case "timm":
            return "image-classifier", save_timm(folder / "model", layout="hub")
        case "clip" | "siglip":
            return family, {"clip": save_clip, "siglip": save_siglip}[family](folder / "model")
    return "image-classifier", {"vit": save_vit, "resnet": save_resnet}[family](folder / "model")


def explanation(
    made: Any, picture: Image.Image, kept: KeptFiles | None = None, **explain: Any
) -> tuple[Explanation, Any]:
    labels = LABELS if hasattr(made, "_tokenizer") else None
    request = ImageClassificationRequest(
        image="0" * 64, model="tiny", explain=Explain(**explain), candidate_labels=labels
    )
    files = kept or KeptFiles(picture)
    found = made.perform(request, files)
    (stored,) = found["explanation"].maps
    assert found["explanation"].target == stored.label
    return found["explanation"], files.values_of(stored)


def circle() -> Image.Image:
    """A red circle on the left of a white picture."""
    rows, columns = np.mgrid[:64, :64]
    inside = np.hypot(rows - 24, columns - 18) < 11
    return Image.fromarray(np.where(inside[..., None], (220, 40, 40), (245, 245, 245)).astype(np.uint8))


@pytest.fixture(scope="module")
def pocket() -> Any:
    return handler("torchvision-classifier", WEIGHTS / "pocket-classifier")


@pytest.mark.parametrize("method", ["occlusion", "integrated-gradients", "grad-cam"])
def test_the_map_shows_the_circle(pocket: Any, method: str) -> None:
    kept = KeptFiles(circle())
    found, values = explanation(pocket, circle(), kept, method=method, faithfulness=True)
    assert found.method == method
    assert found.target == "circle"
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert values.shape == (64, 64)
    assert np.hypot(row - 24, column - 18) < 15
    assert found.faithfulness is not None
    assert found.faithfulness.deletion < found.faithfulness.insertion
    own = {"occlusion": 101, "integrated-gradients": 17, "grad-cam": 1}[method]
    assert found.num_calls == own + 32
    assert kept.steps[-1] == (found.num_calls + 1, found.num_calls + 1)
    assert [step for step, _ in kept.steps] == list(range(1, found.num_calls + 2))
    assert (found.baseline is None) == (method == "grad-cam")
    assert found.baseline is None or found.baseline < 0.9


def test_another_class_than_the_best(pocket: Any) -> None:
    found, _ = explanation(pocket, circle(), method="occlusion", target="heart", patch_size=32)
    assert found.target == "heart"
    assert found.maps[0].score is not None
    assert found.maps[0].score < 0.1


def test_a_class_that_does_not_exist(pocket: Any) -> None:
    with pytest.raises(InvalidRequest, match="no class 'hart'") as error:
        explanation(pocket, circle(), method="occlusion", target="hart")
    assert error.value.field == "explain.target"
    assert "heart" in str(error.value.hint)


@pytest.fixture(scope="module", params=["resnet", "timm", "vit", "clip", "siglip"])
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    return request.param, handler(*saved(request.param, tmp_path_factory.mktemp(request.param)))


@pytest.mark.parametrize("method", ["occlusion", "integrated-gradients", "grad-cam"])
def test_every_family(tiny: tuple[str, Any], method: str) -> None:
    (family, made), picture = tiny, drawn(7)
    if method == "grad-cam" and family not in ("resnet", "timm"):
        with pytest.raises(InvalidRequest, match="no feature maps") as error:
            explanation(made, picture, method=method)
        assert error.value.field == "explain.method"
        return
    coarse = {"patch_size": 24, "stride": 24} if method == "occlusion" else {}
    found, values = explanation(made, picture, method=method, **coarse)
    assert values.shape == (picture.height, picture.width)
    assert values.min() >= 0
    assert found.maps[0].score is not None
    assert 0 <= found.maps[0].score <= 1


def test_integrated_gradients_are_those_of_captum_without_an_executor(pocket: Any) -> None:
    from captum.attr import IntegratedGradients

    differentiable = pocket._explainable.differentiable
    pixels, network = differentiable.pixels_of(circle()), pocket._model.network
    baseline, direction = torch.zeros_like(pixels), differentiable.direction_of(3)
    found = differentiable.gradients.integrated(pixels, baseline, direction, 6)
    expected = IntegratedGradients(network).attribute(pixels, baseline, target=3, n_steps=6)[0]
    assert float(expected.abs().max()) > 0
    assert torch.allclose(found, expected, atol=1e-5)


def test_grad_cam_is_that_of_captum_on_the_last_stage(pocket: Any) -> None:
    from captum.attr import LayerGradCam

    differentiable = pocket._explainable.differentiable
    pixels, network = differentiable.pixels_of(circle()), pocket._model.network
    found = differentiable.gradients.grad_cam(pixels, differentiable.direction_of(0))
    cam = LayerGradCam(network, network.conv5)
    expected = cam.attribute(pixels, target=0, relu_attributions=True).detach()
    assert found.shape == (3, 3)
    assert float(expected.max()) > 0
    assert torch.allclose(found, expected[0, 0], atol=1e-5)


def test_gradients_leave_nothing_behind(pocket: Any) -> None:
    network = pocket._model.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    hooks = sum(len(module._forward_hooks) for module in network.modules())
    for method in ("integrated-gradients", "grad-cam"):
        explanation(pocket, circle(), method=method)
    assert all(weight.grad is None for weight in network.parameters())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert sum(len(module._forward_hooks) for module in network.modules()) == hooks
    assert not network.training


@pytest.mark.parametrize("method", ["integrated-gradients", "grad-cam"])
def test_torch_runs_what_needs_gradients_if_the_model_has_an_engine(method: str) -> None:
    """Engines replace `forward` of the network, and ask in each call whether they may run it."""
    made = handler("torchvision-classifier", WEIGHTS / "pocket-classifier")
    network, in_engine = made._model.network, []
    run = network.forward

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        in_engine.append(may_use_engine())
        with torch.set_grad_enabled(not in_engine[-1] and torch.is_grad_enabled()):
            answer: torch.Tensor = run(pixels)
        return answer

    network.__dict__["forward"] = forward
    found, values = explanation(made, circle(), method=method)
    assert values.max() > 0
    # The own call, and the covered picture.
    assert in_engine.count(True) == (1 if method == "grad-cam" else 2)
    assert in_engine.count(False) >= found.num_calls - 1


@pytest.mark.parametrize("method", ["integrated-gradients", "grad-cam"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(pocket: Any, dtype: torch.dtype, method: str) -> None:
    half = handler("torchvision-classifier", WEIGHTS / "pocket-classifier", dtype=dtype)
    few = {"num_samples": 4} if method == "integrated-gradients" else {}
    _, exact = explanation(pocket, circle(), method=method, **few)
    _, rounded = explanation(half, circle(), method=method, **few)
    assert np.corrcoef(exact.ravel(), rounded.ravel())[0, 1] > 0.8


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    opened = Batcher(32, 10**9, is_cooperative=True)
    yield opened
    opened.close()


@pytest.mark.parametrize("method", ["occlusion", "integrated-gradients", "grad-cam"])
def test_a_map_is_the_same_beside_seven_other_jobs(pocket: Any, batcher: Batcher, method: str) -> None:
    together = handler("torchvision-classifier", WEIGHTS / "pocket-classifier", batcher)
    pictures = [circle(), *(drawn(seed) for seed in range(7))]
    few = {"occlusion": {"patch_size": 40}, "integrated-gradients": {"num_samples": 3}}.get(method, {})
    start = threading.Barrier(8)

    def run(picture: Image.Image) -> Any:
        start.wait()
        with batcher.job(Going()):
            return explanation(together, picture, method=method, **few)[1]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(run, pictures))
    for picture, values in zip(pictures, found, strict=True):
        alone = explanation(pocket, picture, method=method, **few)[1]
        assert np.abs(values - alone).max() <= 1e-4 * max(1.0, float(alone.max()))


def test_where_the_input_lies_in_the_picture() -> None:
    def cropped(picture: Image.Image) -> torch.Tensor:
        """The middle of a picture whose shorter side is 40, as networks of ImageNet see it."""
        pixels = transforms.to_dtype(transforms.pil_to_tensor(picture), torch.float32, scale=True)
        resized = transforms.center_crop(transforms.resize(pixels, [40], antialias=True), [32, 32])
        return transforms.normalize(resized, [0.48, 0.45, 0.4], [0.2, 0.3, 0.25])[None]

    place = InputPlace.of((160, 80), cropped)
    # Two pixels of the picture for each of the input, 16 of them cut off at the top.
    assert (place.x.step, place.y.step) == (pytest.approx(2, abs=0.02), pytest.approx(2, abs=0.02))
    assert (place.x.start, place.y.start) == (pytest.approx(48, abs=0.7), pytest.approx(8, abs=0.7))
    point = np.zeros((32, 32), np.float32)
    point[10:12, 20:22] = 1
    values = place.in_picture(point, (160, 80))
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert abs(row - (8 + 22)) <= 2
    assert abs(column - (48 + 42)) <= 2
    assert not values[:, :47].any()
    assert not values[:6].any()
