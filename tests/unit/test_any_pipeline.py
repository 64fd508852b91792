"""Pipelines of diffusers that no family names: their description, and what admission makes of it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue, Model, Source
from brushwork_schemas.errors import BrushworkError, InvalidRequest, UnknownModelClass
from brushwork_schemas.families.registry import family_of
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.diffusion.decoder_input import decoder_input
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import LoadSpec
from brushwork_workers.models.class_names import component_class
from brushwork_workers.models.description.pipeline_kinds import classes_by_kind, kinds_of, needed_components
from brushwork_workers.models.recognition import recognise
from diffusers import (
    ControlNetModel,
    DiffusionPipeline,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionPAGPipeline,
    StableDiffusionSAGPipeline,
)
from PIL import Image

from tests.desks import PlainDesk
from tests.tiny_models import stable_diffusion
from tests.tiny_pipelines import flux, stable_diffusion_3

PICTURE = Image.effect_noise((64, 48), 90).convert("RGB")
ANY_SHA256 = "0" * 64
Made = Callable[[], DiffusionPipeline]


def of_stable_diffusion(pipeline_class: Any, **more: Any) -> DiffusionPipeline:
    parts = stable_diffusion().components
    kept = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
    none = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    made: DiffusionPipeline = pipeline_class(**{name: parts[name] for name in kept} | none | more)
    return made


def with_controlnet() -> DiffusionPipeline:
    torch.manual_seed(1)
    controlnet = ControlNetModel.from_unet(stable_diffusion().unet)
    return of_stable_diffusion(StableDiffusionControlNetPipeline, controlnet=controlnet)


MADE: Mapping[str, Made] = {
    "pag": lambda: of_stable_diffusion(StableDiffusionPAGPipeline),
    "controlnet": with_controlnet,
    "lcm": lambda: of_stable_diffusion(LatentConsistencyModelPipeline, scheduler=LCMScheduler()),
    "stable-diffusion-3": stable_diffusion_3,
    "flux": flux,
}


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("pipelines")
    for name, made in MADE.items():
        made().save_pretrained(folder / name)
    return {name: described(name, folder / name) for name in MADE}


def described(name: str, folder: Path) -> Model:
    found = recognise(name, Source(folder=folder), family="diffusers").entry
    assert isinstance(found, Model)
    return found


class Desk(PlainDesk):
    def picture(self, sha256: str) -> Image.Image:
        return PICTURE

    def mask(self, sha256: str) -> Image.Image:
        return Image.linear_gradient("L").resize(PICTURE.size)


def admitted(model: Model, kind: str, **parameters: Any) -> Any:
    return admit(kind, {"prompt": "a red circle", **parameters}, Catalogue({model.name: model})).request


# What the call of each class says: kinds of its own, by diffusers 0.42.
KINDS = {
    "ZImagePipeline": ("text-to-image",),
    "ZImageImg2ImgPipeline": ("image-to-image",),
    "FluxFillPipeline": ("inpainting",),
    "FluxControlPipeline": ("text-to-image",),
    "FluxKontextPipeline": ("text-to-image", "image-editing"),
    "Flux2KleinPipeline": ("text-to-image", "image-editing"),
    "OmniGenPipeline": ("text-to-image", "image-editing"),
    "DreamLitePipeline": ("text-to-image", "image-editing"),
    "QwenImageEditPipeline": ("image-editing",),
    "QwenImageEditPlusPipeline": ("image-editing",),
    "StableDiffusionInstructPix2PixPipeline": ("image-editing",),
    "StableDiffusionControlNetPipeline": ("text-to-image",),
    "KandinskyV22CombinedPipeline": ("text-to-image",),
    "WanPipeline": ("text-to-video",),
    "WanImageToVideoPipeline": ("image-to-video",),
    "LTXPipeline": ("text-to-video",),
    # Its strength is that of the picture, not of a video to begin with.
    "LTXConditionPipeline": ("text-to-video", "image-to-video"),
    "WanVideoToVideoPipeline": (),
    # Requests cannot give what these need, or these make no pictures.
    "KandinskyV22Pipeline": (),
    "KandinskyPriorPipeline": (),
    "StableCascadePriorPipeline": (),
    "FluxPriorReduxPipeline": (),
    "DDPMPipeline": (),
    "StableDiffusionLatentUpscalePipeline": (),
    "StableAudioPipeline": (),
    "ShapEPipeline": (),
    "MarigoldDepthPipeline": (),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_kinds_of_a_class_follow_from_its_call(name: str) -> None:
    assert kinds_of(getattr(diffusers, name)) == KINDS[name]


def test_modules_that_diffusers_has_moved_are_found() -> None:
    assert component_class("wuerstchen", "PaellaVQModel") is not None
    assert component_class("wuerstchen", "NoSuchModel") is None
    assert component_class("no_such_library", "PaellaVQModel") is None


def test_other_kinds_are_served_by_the_classes_that_diffusers_pairs() -> None:
    parts = needed_components(diffusers.ChromaPipeline)
    found = {kind: each.__name__ for kind, each in classes_by_kind(diffusers.ChromaPipeline, parts).items()}
    assert found == {
        "text-to-image": "ChromaPipeline",
        "image-to-image": "ChromaImg2ImgPipeline",
        "inpainting": "ChromaInpaintPipeline",
    }


def test_a_family_that_names_a_class_comes_before_the_generic_one() -> None:
    names = ("FluxPipeline", "StableDiffusionUpscalePipeline", "ZImagePipeline", "ViTForImageClassification")
    families = [getattr(family_of(name), "name", None) for name in names]
    assert families == ["flux", "stable-diffusion-upscale", "diffusers", "image-classifier"]


def test_a_described_model_serves_the_kinds_of_its_pipeline(entries: dict[str, Model]) -> None:
    assert {name: model.kinds for name, model in entries.items()} == {
        "pag": ("text-to-image", "image-to-image", "inpainting"),
        "controlnet": ("text-to-image", "image-to-image", "inpainting"),
        "lcm": ("text-to-image", "image-to-image"),
        "stable-diffusion-3": ("text-to-image", "image-to-image", "inpainting"),
        "flux": ("text-to-image", "image-to-image", "inpainting"),
    }


def test_sizes_steps_and_guidance_come_from_components_and_call(entries: dict[str, Model]) -> None:
    # A UNet of 16 x 16 latents of 2 x 2 pixels; steps and guidance of diffusers' LCM.
    assert entries["lcm"].defaults_of("text-to-image") == {
        "width": 32,
        "height": 32,
        "num_inference_steps": 4,
        "guidance_scale": 8.5,
    }
    assert entries["lcm"].defaults_of("image-to-image")["strength"] == 0.8
    # FLUX without distilled guidance: the scale is that of true guidance.
    assert entries["flux"].defaults_of("text-to-image")["guidance_scale"] == 1.0


@pytest.mark.parametrize(
    ("name", "kind", "field", "value"),
    [
        ("lcm", "text-to-image", "negative_prompt", "blue"),
        ("lcm", "text-to-image", "scheduler", "DDIMScheduler"),
        ("lcm", "image-to-image", "width", 64),
        ("pag", "image-to-image", "height", 64),
        ("stable-diffusion-3", "text-to-image", "scheduler", "DDIMScheduler"),
        ("flux", "text-to-image", "clip_skip", 1),
        ("lcm", "text-to-image", "controlnet_conditioning_scale", 0.5),
        ("pag", "image-to-image", "controlnet", "edges"),
    ],
)
def test_a_parameter_that_the_pipeline_lacks_is_refused_with_those_it_has(
    entries: dict[str, Model], name: str, kind: str, field: str, value: Any
) -> None:
    model = entries[name]
    image = {"image": ANY_SHA256} if kind == "image-to-image" else {}
    with pytest.raises(InvalidRequest) as refused:
        admitted(model, kind, **image, **{field: value})
    assert refused.value.field == field
    known = model.pipeline.parameters[kind] if model.pipeline else ()
    assert field not in known
    assert all(each in str(refused.value.hint) for each in known)


def test_a_pipeline_with_a_controlnet_of_its_own_requires_the_control_picture(
    entries: dict[str, Model],
) -> None:
    with pytest.raises(InvalidRequest, match="control_image"):
        admitted(entries["controlnet"], "text-to-image")
    request = admitted(entries["controlnet"], "text-to-image", control_image=ANY_SHA256)
    assert request.control_image == ANY_SHA256


@pytest.mark.parametrize(
    ("name", "kind"), [("pag", "text-to-image"), ("pag", "inpainting"), ("flux", "text-to-image")]
)
def test_a_described_model_makes_pictures(entries: dict[str, Model], name: str, kind: str) -> None:
    model = entries[name]
    folder = model.source.folder
    assert folder is not None
    spec = LoadSpec(model, folder, torch.device("cpu"), torch.float32, SerialExecutor(), (kind,))
    files = {} if kind == "text-to-image" else {"image": ANY_SHA256, "mask_image": ANY_SHA256}
    size = {"width": 32, "height": 32} if kind == "text-to-image" else {}
    request = admitted(model, kind, num_inference_steps=2, seed=3, **files, **size)
    desk = Desk()
    result = load(spec).handlers[kind].perform(request, desk)
    assert [picture.width % model.multiple_of for picture in result["images"]] == [0]
    assert result["seeds"] == (3,)


@pytest.mark.parametrize("pipeline_class", [StableDiffusionPAGPipeline, StableDiffusionSAGPipeline])
def test_every_step_has_a_preview(pipeline_class: Any, tmp_path: Path) -> None:
    """One pipeline calls back after a step; the other one has only the older callback."""
    of_stable_diffusion(pipeline_class).save_pretrained(tmp_path)
    model = described("x", tmp_path)
    spec = LoadSpec(model, tmp_path, torch.device("cpu"), torch.float32, SerialExecutor(), model.kinds)
    desk = Desk(watched=True)
    request = admitted(model, "text-to-image", num_inference_steps=3, guidance_scale=2.0, seed=1)
    load(spec).handlers["text-to-image"].perform(request, desk)
    assert len(desk.previews) == 3


def test_what_the_decoder_would_get_after_the_last_step_is_what_it_gets() -> None:
    """For latents in patches, with scale and shift."""
    pipeline = flux()
    given: list[torch.Tensor] = []
    decode = pipeline.vae.decode
    pipeline.vae.decode = lambda latents, *args, **kwargs: (
        given.append(latents) or decode(latents, *args, **kwargs)
    )
    seen: list[torch.Tensor | None] = []

    def after(own: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append(decoder_input(None))
        return {}

    size = {"width": 32, "height": 32, "max_sequence_length": 16, "num_inference_steps": 2}
    pipeline("a red circle", **size, callback_on_step_end=after)
    assert len(seen) == 2
    assert seen[-1] is not None
    assert torch.equal(seen[-1], given[0])


def test_defaults_of_parameters_that_the_pipeline_lacks_are_refused(entries: dict[str, Model]) -> None:
    whole = entries["lcm"].model_dump(exclude_unset=True) | {"name": "x"}
    with pytest.raises(ValueError, match="has no parameter negative_prompt"):
        Model.model_validate(whole | {"defaults": {"negative_prompt": "blue"}})


def test_an_entry_without_a_description_serves_nothing_yet() -> None:
    model = Model(name="x", family="diffusers", source=Source(folder=Path("/nowhere")))
    assert model.kinds == ()
    with pytest.raises(BrushworkError, match="serves"):
        admit("text-to-image", {"prompt": "a", "model": "x"}, Catalogue({"x": model}))


@pytest.mark.parametrize("kind", ["text-to-image", "image-editing"])
def test_an_entry_chooses_among_the_kinds_of_its_description(entries: dict[str, Model], kind: str) -> None:
    """Special parameters of kinds that it leaves out, such as image_guidance_scale, go with them."""
    description = {
        "class_name": "OmniGenPipeline",
        "parameters": {
            "text-to-image": ["guidance_scale"],
            "image-editing": ["guidance_scale", "image_guidance_scale"],
        },
    }
    fields = {"name": "x", "family": "diffusers", "source": {"folder": "/nowhere"}, "pipeline": description}
    model = Model.model_validate({**fields, "kinds": [kind]})
    assert model.kinds == (kind,)
    assert model.accepts == (("image_guidance_scale",) if kind == "image-editing" else ())


@pytest.mark.parametrize(("field", "value"), [("kinds", ["nope"]), ("family", "nope")])
def test_an_unknown_kind_or_family_is_refused_with_the_names_of_all(field: str, value: Any) -> None:
    entry = {"name": "x", "family": "diffusers", "source": {"folder": "/nowhere"}, field: value}
    with pytest.raises(ValueError, match=r"text-to-image|stable-diffusion") as refused:
        Model.model_validate(entry)
    reason = str(refused.value).split("[type=")[0]
    assert "nope" in reason
    # Names alone: the registry says much more of each.
    assert len(reason) < 1200
    assert "Kind(" not in reason


def test_defaults_are_allowed_before_the_description(entries: dict[str, Model]) -> None:
    fields = {"name": "x", "family": "diffusers", "source": {"folder": "/nowhere"}}
    defaults = {"num_inference_steps": 3, "text-to-image": {"guidance_scale": 2.0}}
    assert Model.model_validate({**fields, "defaults": defaults}).kinds == ()
    with pytest.raises(ValueError, match="unknown request fields: steps"):
        Model.model_validate({**fields, "defaults": {"steps": 3}})
    whole = Model.model_validate(
        {**fields, "defaults": defaults, "pipeline": entries["lcm"].pipeline.model_dump()}  # type: ignore[union-attr]
    )
    assert whole.defaults_of("text-to-image")["guidance_scale"] == 2.0


def test_a_pipeline_that_no_kind_fits_is_refused_when_it_is_added(tmp_path: Path) -> None:
    unet = diffusers.UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
    )
    diffusers.DDPMPipeline(unet, diffusers.DDPMScheduler()).save_pretrained(tmp_path)
    with pytest.raises(UnknownModelClass, match="DDPMPipeline of diffusers cannot be served"):
        recognise("x", Source(folder=tmp_path))
