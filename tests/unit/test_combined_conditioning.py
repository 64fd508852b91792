"""IP-Adapters with other kinds and ControlNets; ControlNets of described pipelines: equal to diffusers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import AddOn, Catalogue, Model, Source
from brushwork_schemas.errors import InvalidRequest
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import FoundAddOn, Handler, LoadSpec
from brushwork_workers.models.recognition import recognise
from diffusers import ControlNetModel, SD3ControlNetModel, StableDiffusionPAGPipeline
from PIL import Image

from tests.checkpoints.adapters import save_ip_adapter, with_dense_tokens
from tests.checkpoints.painters import picture
from tests.desks import PlainDesk
from tests.gathering import batcher, together
from tests.stops import Going
from tests.tiny_models import stable_diffusion
from tests.tiny_pipelines import stable_diffusion_3

DESK = PlainDesk()
FIRST, LOOK, EDGES = picture(seed=1), picture(seed=2), picture(seed=3)
MASK = Image.radial_gradient("L").resize((32, 32))
GIVEN = {name: DESK.give(each) for name, each in (("image", FIRST), ("look", LOOK), ("edges", EDGES))}
GIVEN["mask"] = DESK.give(MASK)
NUM_JOBS = 8
KINDS = ("text-to-image", "image-to-image", "inpainting")
# A kind, with an IP-Adapter or without, with a ControlNet or without, and the class of diffusers.
CASES = (
    ("image-to-image", True, False, "StableDiffusionImg2ImgPipeline"),
    ("inpainting", True, False, "StableDiffusionInpaintPipeline"),
    ("text-to-image", True, True, "StableDiffusionControlNetPipeline"),
    ("image-to-image", True, True, "StableDiffusionControlNetImg2ImgPipeline"),
    ("inpainting", True, True, "StableDiffusionControlNetInpaintPipeline"),
)
OF_PAG = (
    ("text-to-image", False, True, "StableDiffusionControlNetPAGPipeline"),
    ("inpainting", False, True, "StableDiffusionControlNetPAGInpaintPipeline"),
)
QUICK = (CASES[0], CASES[-1], OF_PAG[0])
# Half a step of 8 bits, and a thousandth of the range.
CLOSE = (0.5 + 0.255) / 255


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("combined")
    pipeline: Any = with_dense_tokens(stable_diffusion())
    pipeline.save_pretrained(folder / "stable-diffusion")
    parts = {name: each for name, each in pipeline.components.items() if name != "image_encoder"}
    StableDiffusionPAGPipeline(**parts, requires_safety_checker=False).save_pretrained(folder / "diffusers")
    save_ip_adapter(folder / "look", pipeline.unet, 1)
    torch.manual_seed(1)
    controlnet = ControlNetModel.from_unet(pipeline.unet, conditioning_embedding_out_channels=(16, 32))
    for weight in controlnet.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.3)
    controlnet.save_pretrained(folder / "edges")
    other: Any = stable_diffusion_3()
    SD3ControlNetModel.from_transformer(
        other.transformer, num_layers=1, num_extra_conditioning_channels=0
    ).save_pretrained(folder / "other")
    return folder


def model_of(folder: Path, family: str) -> Model:
    found = recognise("tiny", Source(folder=folder / family), family=family).entry
    assert isinstance(found, Model)
    return found


def handlers(folder: Path, model: Model, calls: ModelExecutor) -> Mapping[str, Handler]:
    sorts = {"look": "ip-adapter", "edges": "controlnet", "other": "controlnet"}
    found = {
        name: FoundAddOn(
            AddOn.model_validate(
                {"name": name, "type": sort, "family": model.family, "source": Source(folder=folder / name)}
            ),
            folder / name,
        )
        for name, sort in sorts.items()
    }
    place = folder / model.family
    spec = LoadSpec(model, place, torch.device("cpu"), torch.float32, calls, KINDS, add_ons=found)
    made = load(spec).handlers
    if model.pipeline is not None:
        # As a worker does: what keeps the jobs of a described pipeline apart is found out here.
        with calls.job(Going()):
            made["text-to-image"].warm_up()
    return made


def asked(kind: str, index: int, *, look: bool, edges: bool) -> dict[str, Any]:
    """Steps, guidance, seed, strength and weights differ from job to job."""
    found: dict[str, Any] = {
        "prompt": ("a red circle", "a circle")[index % 2],
        "num_inference_steps": 3 + index % 3,
        "guidance_scale": (1.0, 3.0, 5.5)[index % 3],
        "seed": index,
    }
    if kind == "text-to-image":
        found |= {"width": 32, "height": 32}
    else:
        found |= {"image": GIVEN["image"], "strength": (0.8, 1.0)[index % 2]}
    if kind == "inpainting":
        found["mask_image"] = GIVEN["mask"]
    if look:
        found["ip_adapters"] = [{"name": "look", "weight": (0.6, 1.0)[index % 2], "images": [GIVEN["look"]]}]
    if edges:
        found |= {"controlnet": "edges", "control_image": GIVEN["edges"]}
        found["controlnet_conditioning_scale"] = (1.0, 0.5)[index % 2]
    return found


def performed(made: Handler, model: Model, kind: str, fields: Mapping[str, Any]) -> Any:
    names = ("controlnets", "edges"), ("controlnets", "other"), ("ip_adapters", "look")
    add_ons = {
        name: AddOn.model_validate(
            {
                "name": name,
                "type": section[:-1].replace("_", "-"),
                "family": model.family,
                "source": Source(folder=Path("none")),
            }
        )
        for section, name in names
    }
    request = admit(kind, fields, Catalogue({model.name: model}, add_ons)).request
    result = made.perform(request, DESK)
    return np.asarray(result["images"][0].pil(), dtype=float) / 255


def stock_pipeline(folder: Path, family: str, class_name: str, *, look: bool, edges: bool) -> Any:
    more = {"controlnet": ControlNetModel.from_pretrained(folder / "edges")} if edges else {}
    pipeline: Any = getattr(diffusers, class_name).from_pretrained(folder / family, **more)
    pipeline.set_progress_bar_config(disable=True)
    if look:
        pipeline.load_ip_adapter(str(folder / "look"), subfolder="", weight_name="adapter.safetensors")
    return pipeline


def direct(pipeline: Any, kind: str, fields: Mapping[str, Any]) -> Any:
    """What diffusers makes for a job."""
    own: dict[str, Any] = {
        name: fields[name]
        for name in ("prompt", "num_inference_steps", "guidance_scale", "strength", "width", "height")
        if name in fields
    }
    if "image" in fields:
        own["image"] = FIRST
    if "mask_image" in fields:
        own["mask_image"] = MASK
    if "controlnet" in fields:
        own["image" if kind == "text-to-image" else "control_image"] = EDGES
        own["controlnet_conditioning_scale"] = fields["controlnet_conditioning_scale"]
    if "ip_adapters" in fields:
        [choice] = fields["ip_adapters"]
        pipeline.set_ip_adapter_scale(choice["weight"])
        own["ip_adapter_image"] = LOOK
    generator = torch.Generator().manual_seed(fields["seed"])
    return pipeline(**own, generator=generator, output_type="np").images[0]


@pytest.mark.filterwarnings("ignore::FutureWarning:diffusers.*")
@pytest.mark.parametrize(
    ("family", "case"),
    [*(("stable-diffusion", case) for case in CASES), *(("diffusers", case) for case in OF_PAG)],
)
def test_equals_diffusers_alone_and_beside_seven_others(
    family: str, case: tuple[str, bool, bool, str], folder: Path, thorough: bool
) -> None:
    if case not in QUICK and not thorough:
        pytest.skip("--thorough tries all of them")
    kind, look, edges, class_name = case
    model = model_of(folder, family)
    jobs = [asked(kind, index, look=look, edges=edges) for index in range(NUM_JOBS)]
    stock = stock_pipeline(folder, family, class_name, look=look, edges=edges)
    expected = [direct(stock, kind, fields) for fields in jobs]
    assert expected[0].std() > 0.01
    assert min(np.abs(expected[0] - each).max() for each in expected[1:]) > 0.01
    alone = handlers(folder, model, SerialExecutor())[kind]
    assert np.abs(performed(alone, model, kind, jobs[0]) - expected[0]).max() <= CLOSE
    with batcher() as calls:
        shared = handlers(folder, model, calls)[kind]
        runs = [lambda fields=fields: performed(shared, model, kind, fields) for fields in jobs]  # type: ignore[misc]
        made = together(calls, runs)
    for found, right in zip(made, expected, strict=True):
        assert np.abs(found - right).max() <= CLOSE


def test_a_described_pipeline_takes_controlnets_of_its_class_alone(folder: Path) -> None:
    model = model_of(folder, "diffusers")
    assert model.accepts_field("text-to-image", "controlnet")
    # diffusers has no such class that begins with a picture.
    assert not model.accepts_field("image-to-image", "controlnet")
    made = handlers(folder, model, SerialExecutor())["text-to-image"]
    fields = asked("text-to-image", 0, look=False, edges=True)
    with pytest.raises(InvalidRequest, match="SD3ControlNetModel, and this model needs a ControlNetModel"):
        performed(made, model, "text-to-image", {**fields, "controlnet": "other"})
    with pytest.raises(InvalidRequest, match="used together"):
        performed(made, model, "text-to-image", {**fields, "control_image": None})
