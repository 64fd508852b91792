"""What the families do in another way than a request says: each is told of in a warning."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.kinds.generation.image_to_image import ImageToImageRequest
from brushwork_schemas.kinds.generation.inpainting import InpaintingRequest
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_schemas.warnings import ResultWarning
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.classification.ranking import best
from brushwork_workers.families.diffusion.arguments import ignored_parameters
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import Handler, LoadSpec
from PIL import Image

from tests.desks import PlainDesk
from tests.tiny_models import save_stable_diffusion

SMALL = {"width": 32, "height": 32}


@pytest.fixture(scope="module")
def handlers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = save_stable_diffusion(tmp_path_factory.mktemp("tiny"))
    defaults = {"width": 64, "height": 64}
    model = Model(name="tiny", family="stable-diffusion", source=Source(folder=folder), defaults=defaults)
    kinds = ("text-to-image", "image-to-image", "inpainting")
    spec = LoadSpec(model, folder, torch.device("cpu"), torch.float32, SerialExecutor(), kinds)
    return load(spec).handlers


def told(handler: Handler, make: Callable[[PlainDesk], Any]) -> list[ResultWarning]:
    desk = PlainDesk()
    handler.perform(make(desk), desk)
    return desk.warnings


def from_picture(size: tuple[int, int], **asked: Any) -> Callable[[PlainDesk], ImageToImageRequest]:
    def make(desk: PlainDesk) -> ImageToImageRequest:
        image = desk.give(Image.linear_gradient("L").convert("RGB").resize(size))
        fields = {"prompt": "a", "num_inference_steps": 2, "guidance_scale": 1.0, "strength": 0.5}
        return ImageToImageRequest(**{**fields, "image": image, **asked})

    return make


class TestSizes:
    @pytest.mark.parametrize(
        ("size", "asked", "code", "parameters"),
        [
            ((37, 45), {}, "size_rounded", {"given": "37 x 45", "used": "32 x 40", "multiple": 8}),
            ((40, 47), {}, "size_rounded", {"given": "40 x 47", "used": "40 x 40", "multiple": 8}),
            ((9, 32), {}, "size_rounded", {"given": "9 x 32", "used": "16 x 32", "multiple": 8}),
            ((128, 96), {}, "size_reduced", {"given": "128 x 96", "used": "72 x 48"}),
            ((64, 32), SMALL, "image_stretched", {"given": "64 x 32", "used": "32 x 32"}),
            ((30, 36), SMALL, "image_stretched", {"given": "30 x 36", "used": "32 x 32"}),
        ],
    )
    def test_another_size(
        self, handlers: Any, size: tuple[int, int], asked: Any, code: str, parameters: Any
    ) -> None:
        (warning,) = told(handlers["image-to-image"], from_picture(size, **asked))
        assert (warning.code, warning.field, warning.parameters) == (code, "image", parameters)

    @pytest.mark.parametrize(
        ("size", "asked"), [((32, 40), {}), ((64, 64), SMALL), ((64, 96), {"width": 32}), ((32, 32), SMALL)]
    )
    def test_what_was_asked_for(self, handlers: Any, size: tuple[int, int], asked: Any) -> None:
        assert told(handlers["image-to-image"], from_picture(size, **asked)) == []

    def test_a_mask_of_other_proportions(self, handlers: Any) -> None:
        def make(desk: PlainDesk) -> InpaintingRequest:
            mask = desk.give(Image.linear_gradient("L").convert("RGB").resize((32, 16)))
            return InpaintingRequest(**from_picture((32, 32))(desk).model_dump(), mask_image=mask)

        (warning,) = told(handlers["inpainting"], make)
        assert (warning.code, warning.field) == ("image_stretched", "mask_image")


class TestIgnored:
    @staticmethod
    def found(family: str, config: dict[str, Any], **asked: Any) -> list[tuple[str | None, Any]]:
        part = "transformer" if family in ("flux", "qwen-image") else "unet"
        pipeline = SimpleNamespace(components={part: SimpleNamespace(config=SimpleNamespace(**config))})
        model = Model(name="x", family=family, source=Source(folder=Path("x")))
        request = TextToImageRequest(prompt="a", **asked)
        warnings = ignored_parameters(request, model, "text-to-image", pipeline)
        assert all(each.code == "parameter_ignored" for each in warnings)
        return [(each.field, each.parameters["reason"]) for each in warnings]

    def test_a_negative_prompt_without_guidance(self) -> None:
        for family in ("stable-diffusion", "stable-diffusion-xl", "pixart-sigma", "sana"):
            asked = {"negative_prompt": "b", "guidance_scale": 1.0}
            assert self.found(family, {}, **asked) == [("negative_prompt", "no_guidance")]
            assert self.found(family, {}, **{**asked, "guidance_scale": 1.1}) == []
            assert self.found(family, {}, guidance_scale=1.0, negative_prompt="  ") == []

    def test_a_negative_prompt_of_a_consistency_model(self) -> None:
        asked = {"negative_prompt": "b", "guidance_scale": 7.0}
        found = self.found("stable-diffusion", {"time_cond_proj_dim": 8}, **asked)
        assert found == [("negative_prompt", "distilled")]

    def test_guidance_of_a_distilled_model(self) -> None:
        assert self.found("flux", {"guidance_embeds": False}, guidance_scale=7.0) == [
            ("guidance_scale", "distilled")
        ]
        # The default of the family was not asked for.
        assert self.found("flux", {"guidance_embeds": False}, guidance_scale=3.5) == []
        assert self.found("flux", {"guidance_embeds": True}, guidance_scale=7.0) == []

    def test_a_negative_prompt_of_a_distilled_model(self) -> None:
        asked = {"negative_prompt": "b", "guidance_scale": 4.0}
        assert self.found("qwen-image", {"guidance_embeds": True}, **asked) == [
            ("negative_prompt", "distilled")
        ]
        assert self.found("qwen-image", {"guidance_embeds": False}, **asked) == []

    def test_the_scale_of_no_controlnet(self) -> None:
        assert self.found("sana", {}, controlnet_conditioning_scale=0.5) == [
            ("controlnet_conditioning_scale", "no_controlnet")
        ]

    def test_it_reaches_the_result(self, handlers: Any) -> None:
        asked = {"prompt": "a", "negative_prompt": "b", "guidance_scale": 1.0, "num_inference_steps": 1}
        warnings = told(handlers["text-to-image"], lambda desk: TextToImageRequest(**asked, **SMALL))
        assert [each.message for each in warnings] == [
            "negative_prompt had no effect: guidance is off, because guidance_scale is 1 or less."
        ]


@pytest.mark.parametrize(("top_k", "codes"), [(3, ["top_k_reduced"]), (2, []), (5, [])])
def test_more_classes_than_the_model_has(top_k: int, codes: list[str]) -> None:
    desk = PlainDesk()
    request = ImageClassificationRequest(image="0" * 64, top_k=top_k)
    assert best(torch.tensor([0.7, 0.3]), ["a", "b"], request, desk)[0].label == "a"
    assert [each.code for each in desk.warnings] == codes
