"""Segmentations explained, for each family of segmenters with random weights."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.explanations.calls import num_calls
from brushwork_schemas.kinds.explanations.result import ExplanationMap
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.loaders import Loaders
from brushwork_workers.interface import LoadSpec
from PIL import Image

from tests.checkpoints.segmenters import save_mask2former, save_oneformer, save_sam2, save_segformer
from tests.desks import PlainDesk
from tests.tiny_models import save_segmenter

PICTURE = Image.effect_noise((48, 40), 90).convert("RGB")
POINTS = {"points": [{"x": 9, "y": 9}, {"x": 30, "y": 30, "object": 2}]}
FAMILIES: Mapping[str, tuple[str, Callable[[Path], Path], str, dict[str, Any]]] = {
    "torchvision": ("torchvision-segmenter", save_segmenter, "circle", {}),
    "segformer": ("semantic-segmenter", save_segformer, "dog", {}),
    "mask2former": ("universal-segmenter", save_mask2former, "dog", {}),
    "instances": ("universal-segmenter", save_mask2former, "cat", {"task": "instance"}),
    "oneformer": ("oneformer", save_oneformer, "cat", {"task": "panoptic"}),
    "sam2": ("sam-2", save_sam2, "object 3", POINTS),
}


@cache
def handler_of(family: str, save: Callable[[Path], Path]) -> Any:
    folder = save(Path(mkdtemp(prefix=family)))
    model = Model(name="tiny", family=family, source=Source(folder=folder))
    spec = LoadSpec(model, folder, torch.device("cpu"), torch.float32, SerialExecutor(), model.kinds)
    return Loaders()[family](spec).handlers["image-segmentation"]


def asked(context: PlainDesk, name: str, **fields: Any) -> ImageSegmentationRequest:
    given = {"image": context.give(PICTURE), **FAMILIES[name][3], **fields}
    return ImageSegmentationRequest.model_validate(given)


def made(name: str, context: PlainDesk, **fields: Any) -> dict[str, Any]:
    family, save, _, _ = FAMILIES[name]
    found: dict[str, Any] = handler_of(family, save).perform(asked(context, name, **fields), context)
    return found


def values(found: ExplanationMap) -> Any:
    return found.min + (found.max - found.min) * np.asarray(found.map.pil(), np.float64) / 65535


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_says_how_sure_it_is(name: str) -> None:
    context = PlainDesk()
    found = made(name, context, explain={"method": "confidence"})["explanation"]
    confidence, entropy = found.maps
    assert (found.method, found.target, found.baseline, found.num_calls) == ("confidence", None, None, 0)
    assert (confidence.label, entropy.label) == ("confidence", "entropy")
    assert values(confidence).shape == (PICTURE.height, PICTURE.width)
    assert 0 < confidence.min <= confidence.score <= confidence.max <= 1
    assert 0 <= entropy.min <= entropy.score <= entropy.max
    # No entropy is below the surprise of the likeliest class.
    assert (values(entropy) >= -np.log(values(confidence)) - 1e-3).all()
    assert context.steps == [(1, 1)]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_class_is_explained_by_covering(name: str) -> None:
    context, target = PlainDesk(), FAMILIES[name][2]
    explain = {"method": "confidence", "target": target, "patch_size": 24}
    found = made(name, context, explain=explain)["explanation"]
    total = num_calls(asked(context, name, explain=explain), *PICTURE.size)
    assert (found.target, found.num_calls) == (target, total)
    assert context.steps[-1] == (total + 1, total + 1)
    assert found.maps[2].label == target
    assert 0 <= found.maps[2].score <= 1
    assert 0 <= found.baseline <= 1
    assert found.maps[2].min >= 0


@pytest.mark.parametrize("name", ["segformer", "instances", "sam2"])
def test_a_class_that_the_model_lacks_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        made(name, PlainDesk(), explain={"method": "confidence", "target": "object 2"})
    assert raised.value.field == "explain.target"
    assert raised.value.hint


@pytest.mark.parametrize("name", ["torchvision", "instances", "sam2"])
def test_the_result_is_the_same_without_an_explanation(name: str) -> None:
    plain, explained = made(name, PlainDesk()), made(name, PlainDesk(), explain={"method": "confidence"})
    assert plain["explanation"] is None
    for field in ("mask", "overlay"):
        assert plain[field].sha256 == explained[field].sha256
    assert plain["areas"] == explained["areas"]


def test_scores_are_about_the_same_mask_of_an_object() -> None:
    """A single point may mean a part or the whole; in a covered picture another of them may be best."""
    family, save, _, _ = FAMILIES["sam2"]
    handler, prompts = handler_of(family, save), POINTS["points"][:1]
    request = asked(PlainDesk(), "sam2", points=prompts)
    from brushwork_workers.families.segmentation.sam2 import _prompts

    (best,) = handler._find_objects(PICTURE, _prompts(request))
    for choice in range(3):
        (found,) = handler._find_objects(PICTURE, _prompts(request), {0: choice})
        assert found.choice == choice
        assert (found.score == best.score) == (choice == best.choice)
