"""Tiny models of more families: values that are not finite name the part; ignored parameters are reported."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_schemas.catalogue import AddOn, Limits, Model, Source
from brushwork_schemas.errors import NotFinite
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.loaders import Loaders
from brushwork_workers.interface import FoundAddOn, Handler, LoadSpec
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.checkpoints import captioners, classifiers, controlnets, segmenters, swin2sr, upscaler
from tests.desks import PlainDesk
from tests.tiny_models import save_stable_diffusion

NAN = float("nan")
CPU = torch.device("cpu")
POINT = {"x": 5, "y": 5}
DIFFUSION = {"prompt": "a red circle", "num_inference_steps": 2, "guidance_scale": 2.0, "seed": 5}
UPSCALING = {**DIFFUSION, "noise_level": 20}


def loaded(
    family: str, kind: str, folder: Path, add_ons: tuple[FoundAddOn, ...] = ()
) -> tuple[Handler, list[Any]]:
    """The handler of a saved model, and its modules."""
    model = Model(name="tiny", family=family, source=Source(folder=folder), limits=Limits(max_side=256))
    named = {add_on.entry.name: add_on for add_on in add_ons}
    spec = LoadSpec(model, folder, CPU, torch.float32, SerialExecutor(), (kind,), add_ons=named)
    found = Loaders()[family](spec)
    return found.handlers[kind], list(found.modules)


def performed(handler: Handler, kind: str, desk: PlainDesk, **given: Any) -> Any:
    """What the handler returns for a picture and these parameters."""
    image = desk.give(Image.linear_gradient("L").convert("RGB").resize((64, 64)))
    given = {name: image if value is ... else value for name, value in given.items()}
    if kind != "text-to-image":
        given["image"] = image
    return handler.perform(all_kinds()[kind].request_type.model_validate(given), desk)


def spoil(modules: list[Any], part: str) -> None:
    """Give every weight of a part, which the start of its name tells, one value that is not a number."""
    found = [
        weight
        for module in modules
        for name, weight in module.named_parameters()
        if name.startswith(part) and weight.ndim > 1
    ]
    assert found
    with torch.no_grad():
        for weight in found:
            weight.view(-1)[0] = NAN


@pytest.mark.parametrize(
    ("save", "family", "kind", "part", "named", "given"),
    [
        (classifiers.save_clip, "clip", "image-classification", "vision_model", "image encoder",
         {"candidate_labels": ["red", "blue"]}),
        (classifiers.save_clip, "clip", "image-classification", "text_model.encoder", "text encoder",
         {"candidate_labels": ["red", "blue"]}),
        (classifiers.save_siglip, "siglip", "image-classification", "vision_model", "image encoder",
         {"candidate_labels": ["red", "blue"]}),
        (segmenters.save_sam2, "sam-2", "image-segmentation", "vision_encoder", "image encoder",
         {"points": [POINT]}),
        (segmenters.save_sam2, "sam-2", "image-segmentation", "mask_decoder.transformer", "mask decoder",
         {"points": [POINT]}),
        (segmenters.save_segformer, "semantic-segmenter", "image-segmentation", "", "segmentation network",
         {}),
        (segmenters.save_mask2former, "universal-segmenter", "image-segmentation", "",
         "segmentation network", {"task": "panoptic"}),
        (swin2sr.save, "swin2sr", "image-upscaling", "", "upscaling network", {}),
        (upscaler.save, "stable-diffusion-upscale", "image-upscaling", "", "", UPSCALING),
    ],
)  # fmt: skip
def test_a_damaged_part_is_named(
    tmp_path: Path,
    save: Callable[[Path], Any],
    family: str,
    kind: str,
    part: str,
    named: str,
    given: dict[str, Any],
) -> None:
    save(tmp_path)
    handler, modules = loaded(family, kind, tmp_path)
    assert performed(handler, kind, PlainDesk(), **given)
    spoil(modules, part)
    if "candidate_labels" in given:
        # The embeddings of the labels before are kept.
        given = {"candidate_labels": ["green", "yellow"]}
    with pytest.raises(
        NotFinite, match=f"The {named}.* of tiny computed values that are not finite"
    ) as raised:
        performed(handler, kind, PlainDesk(), **given)
    assert raised.value.fault == "operator"


def test_a_damaged_controlnet_is_named(tmp_path: Path) -> None:
    model = save_stable_diffusion(tmp_path / "model")
    edges = controlnets.save(tmp_path / "edges", "stable-diffusion")
    weights = load_file(edges / "diffusion_pytorch_model.safetensors")
    weights["conv_in.weight"].view(-1)[0] = NAN
    save_file(weights, edges / "diffusion_pytorch_model.safetensors")
    entry = AddOn(name="edges", type="controlnet", family="stable-diffusion", source=Source(folder=edges))
    handler, _ = loaded("stable-diffusion", "text-to-image", model, (FoundAddOn(entry, edges),))
    desk = PlainDesk()
    given = {**DIFFUSION, "width": 32, "height": 32, "controlnet": "edges", "control_image": ...}
    with pytest.raises(NotFinite, match="The ControlNet of tiny computed values that are not finite"):
        performed(handler, "text-to-image", desk, **given)


def test_labels_that_are_cut_are_reported(tmp_path: Path) -> None:
    handler, _ = loaded("clip", "image-classification", classifiers.save_clip(tmp_path))
    desk = PlainDesk()
    performed(handler, "image-classification", desk, candidate_labels=["red", "blue " * 40])
    (warning,) = desk.warnings
    assert (warning.code, warning.field) == ("prompt_cut", "candidate_labels")
    assert warning.parameters["left_out"] > 0


def test_a_threshold_without_effect_is_reported(tmp_path: Path) -> None:
    handler, _ = loaded("universal-segmenter", "image-segmentation", segmenters.save_mask2former(tmp_path))
    desk = PlainDesk()
    performed(handler, "image-segmentation", desk, task="panoptic", threshold=0.3)
    assert desk.warnings == []
    performed(handler, "image-segmentation", desk, task="semantic", threshold=0.3)
    assert [(each.code, each.field) for each in desk.warnings] == [("parameter_ignored", "threshold")]


def test_fewer_tokens_than_asked_for_are_reported(tmp_path: Path) -> None:
    handler, _ = loaded("blip", "image-to-text", captioners.save_blip(tmp_path))
    desk = PlainDesk()
    performed(handler, "image-to-text", desk, max_new_tokens=4)
    assert desk.warnings == []
    performed(handler, "image-to-text", desk, max_new_tokens=512)
    (warning,) = desk.warnings
    assert (warning.code, warning.field) == ("max_new_tokens_reduced", "max_new_tokens")
    assert warning.parameters["given"] == 512
