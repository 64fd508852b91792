"""Pipelines of every kind from one set of components, which stay as they were loaded."""

from typing import Any

import pytest
import torch
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.families.registry import all_families, family_of
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.diffusion.pipeline_copies import PipelineCopies
from brushwork_workers.families.diffusion.pipelines import Pipelines
from diffusers import ControlNetModel, StableDiffusionInpaintPipeline, StableDiffusionXLPipeline

from tests.checkpoints import sana
from tests.tiny_models import stable_diffusion
from tests.tiny_pipelines import FAMILIES, stable_diffusion_3, stable_diffusion_xl

ENDING = {
    "text-to-image": "Pipeline",
    "image-to-image": "Img2ImgPipeline",
    "inpainting": "InpaintPipeline",
}
PIECES = [(sort, kind) for sort in FAMILIES for kind in ENDING]


def pipelines(loaded: Any) -> Pipelines:
    family = family_of(type(loaded).__name__)
    assert family is not None
    return Pipelines(loaded, family.name, SerialExecutor(), CallOptions("tiny"))


@pytest.mark.parametrize(("sort", "kind"), PIECES, ids=str)
def test_a_kind_gets_its_class_and_the_weights_stay_one(sort: Any, kind: str) -> None:
    loaded = FAMILIES[sort]()
    loaded.to(torch.bfloat16)
    made, again = (pipelines(loaded).new(kind) for _ in range(2))
    assert type(made).__name__ == sort.__name__.removesuffix("Pipeline") + ENDING[kind]
    for name, component in loaded.components.items():
        if isinstance(component, torch.nn.Module):
            assert next(iter(getattr(made, name).parameters())) is next(iter(component.parameters()))
            assert component.dtype is torch.bfloat16
    assert len({id(each.scheduler) for each in (loaded, made, again)}) == 3


def test_what_a_folder_says_of_its_pipeline_holds_for_every_kind() -> None:
    loaded = StableDiffusionXLPipeline(**stable_diffusion_xl().components, force_zeros_for_empty_prompt=False)
    assert pipelines(loaded).new("inpainting").config.force_zeros_for_empty_prompt is False


def test_a_folder_may_name_the_class_of_another_kind() -> None:
    loaded = StableDiffusionInpaintPipeline(**stable_diffusion().components, requires_safety_checker=False)
    assert type(pipelines(loaded).new("text-to-image")).__name__ == "StableDiffusionPipeline"
    assert type(pipelines(loaded).new("inpainting")).__name__ == "StableDiffusionInpaintPipeline"


def test_a_controlnet_passes_for_one_though_a_stand_in_is_called() -> None:
    loaded: Any = stable_diffusion()
    controlnet = ControlNetModel.from_unet(loaded.unet, conditioning_embedding_out_channels=(8, 8))
    made = pipelines(loaded).new("image-to-image", controlnet=controlnet)
    assert type(made).__name__ == "StableDiffusionControlNetImg2ImgPipeline"
    assert isinstance(made.controlnet, ControlNetModel)
    assert made.controlnet is not controlnet


def test_no_controlnet_where_diffusers_has_no_such_pipeline() -> None:
    with pytest.raises(InvalidRequest, match="no image-to-image with a ControlNet") as caught:
        pipelines(stable_diffusion_3()).new("image-to-image", controlnet=object())
    assert caught.value.field == "controlnet"


def test_every_diffusion_family_has_a_class_for_each_of_its_kinds() -> None:
    generating = [
        each for each in all_families().values() if "text-to-image" in each.kinds and not each.is_described
    ]
    assert len(generating) == 7
    for family in generating:
        for kind in family.kinds:
            Pipelines(None, family.name, SerialExecutor(), CallOptions()).class_name(kind)


class TestOwnAttributes:
    """Sana's pipeline tells its tokenizer on which side to pad, at every call."""

    def test_a_job_sets_them_for_itself_alone(self) -> None:
        loaded: Any = sana.sana()
        assert loaded.tokenizer.padding_side == "left"
        copies = PipelineCopies(loaded, SerialExecutor(), CallOptions("tiny"))
        one, other = copies.new(), copies.new()
        one.tokenizer.padding_side = "right"
        padded = [
            copy.tokenizer("a red", padding="max_length", max_length=9).input_ids[-1] for copy in (one, other)
        ]
        assert (one.tokenizer.padding_side, other.tokenizer.padding_side) == ("right", "left")
        assert padded[0] == loaded.tokenizer.pad_token_id != padded[1]
        assert loaded.tokenizer.padding_side == "left"

    def test_they_are_taken_back_after_a_call_that_fails(self) -> None:
        loaded: Any = sana.sana()
        tokenizer = PipelineCopies(loaded, SerialExecutor(), CallOptions("tiny")).new().tokenizer
        tokenizer.padding_side = "right"
        with pytest.raises(ValueError, match="text"):
            tokenizer(3)
        assert loaded.tokenizer.padding_side == "left"


def test_a_copy_in_full_precision_counts_from_the_start_where_it_will_be_needed() -> None:
    loaded: Any = stable_diffusion_xl()
    assert loaded.vae.config.force_upcast
    own = pipelines(loaded).modules
    assert len(own) == 4
    loaded.to(torch.float16)
    (more,) = set(pipelines(loaded).modules) - set(own)
    assert (type(more), more.dtype) == (type(loaded.vae), torch.float32)
