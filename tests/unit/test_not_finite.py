"""Values that are not finite fail the job, and the error names the model and the part."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_core.database.database import Database
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import NotFinite
from brushwork_schemas.kinds.generation.image_to_image import ImageToImageRequest
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.execution.attempt_result import Outcome
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import Handler, LoadSpec
from diffusers import DDIMScheduler
from PIL import Image

from tests.desks import PlainDesk
from tests.gathering import batcher, together
from tests.stations import TestStation, raising
from tests.tiny_models import stable_diffusion

NAN, INF = float("nan"), float("inf")
ASKED = {
    "model": "tiny",
    "prompt": "a red circle",
    "width": 32,
    "height": 32,
    "num_inference_steps": 2,
    "guidance_scale": 2.0,
    "seed": 5,
}


def weight_of(pipeline: Any, part: str) -> torch.Tensor:
    module = getattr(pipeline, part)
    parameters = {name: each for name, each in module.named_parameters() if each.ndim > 1}
    names = sorted(name for name in parameters if "decoder" in name) or sorted(parameters)
    return parameters[names[len(names) // 2]]


def handlers(
    folder: Path,
    spoil: Callable[[Any], None],
    calls: ModelExecutor | None = None,
    dtype: torch.dtype = torch.float32,
) -> Any:
    """The handlers of a tiny model whose weights were changed before it was saved."""
    pipeline: Any = stable_diffusion()
    with torch.no_grad():
        spoil(pipeline)
    pipeline.save_pretrained(folder)
    model = Model(name="tiny", family="stable-diffusion", source=Source(folder=folder))
    kinds = ("text-to-image", "image-to-image")
    return load(
        LoadSpec(model, folder, torch.device("cpu"), dtype, calls or SerialExecutor(), kinds)
    ).handlers


def spoiled(part: str, value: float) -> Callable[[Any], None]:
    def spoil(pipeline: Any) -> None:
        weight_of(pipeline, part)[0, 0] = value

    return spoil


def failed(run: Callable[[], Any]) -> NotFinite:
    with pytest.raises(NotFinite) as raised:
        run()
    return raised.value


def made(handler: Handler, desk: PlainDesk | None = None, **changes: Any) -> Any:
    return handler.perform(TextToImageRequest.model_validate({**ASKED, **changes}), desk or PlainDesk())


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize(
    ("part", "name"), [("vae", "VAE"), ("unet", "UNet"), ("text_encoder", "text encoder")]
)
def test_a_damaged_part_is_named(tmp_path: Path, part: str, name: str, value: float) -> None:
    handler = handlers(tmp_path, spoiled(part, value))["text-to-image"]
    error = failed(lambda: made(handler))
    assert (error.code, error.fault) == ("not_finite", "operator")
    assert error.message.startswith(
        f"The {name} of tiny computed values that are not finite. 1 of its weights"
    )


def test_a_damaged_encoder_of_pictures_is_named(tmp_path: Path) -> None:
    def spoil(pipeline: Any) -> None:
        pipeline.vae.encoder.conv_in.weight[0, 0] = NAN

    desk = PlainDesk()
    image = desk.give(Image.new("RGB", (32, 32), "red"))
    request = ImageToImageRequest.model_validate({**ASKED, "image": image, "strength": 1.0})
    handler = handlers(tmp_path, spoil)["image-to-image"]
    assert "The VAE of tiny" in failed(lambda: handler.perform(request, desk)).message


def test_a_part_that_only_overflows_is_named_without_damage(tmp_path: Path) -> None:
    def spoil(pipeline: Any) -> None:
        pipeline.unet.conv_out.weight.fill_(3e38)

    handler = handlers(tmp_path, spoil)["text-to-image"]
    assert failed(lambda: made(handler)).message == "The UNet of tiny computed values that are not finite."


def test_steps_that_overflow_are_told_from_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = DDIMScheduler.step

    def overflowing(scheduler: Any, *args: Any, **options: Any) -> Any:
        return (step(scheduler, *args, **options)[0] * INF,)

    handler = handlers(tmp_path, lambda pipeline: None)["text-to-image"]
    monkeypatch.setattr(DDIMScheduler, "step", overflowing)
    error = failed(lambda: made(handler))
    assert (error.fault, error.field) == ("caller", "guidance_scale")


class TestHalfPrecision:
    """A VAE that overflows in half precision runs once more in float32."""

    @staticmethod
    def overflowing(pipeline: Any) -> None:
        # Between two layers the values are too large for float16; afterwards they are not.
        pipeline.vae.decoder.conv_in.weight.mul_(1e4)
        pipeline.vae.post_quant_conv.weight.mul_(1e2)

    def test_it_is_retried_once_and_says_so(self, tmp_path: Path) -> None:
        desk, half = PlainDesk(), PlainDesk()
        made(handlers(tmp_path / "a", self.overflowing)["text-to-image"], desk)
        assert desk.warnings == []
        result = made(handlers(tmp_path / "b", self.overflowing, dtype=torch.bfloat16)["text-to-image"], half)
        assert half.warnings == []
        assert result["images"]

    def test_float16(self, tmp_path: Path) -> None:
        desk = PlainDesk()
        result = made(handlers(tmp_path, self.overflowing, dtype=torch.float16)["text-to-image"], desk)
        assert [each.code for each in desk.warnings] == ["vae_float32"]
        assert desk.warnings[0].parameters == {"dtype": "float16"}
        low, high = result["images"][0].pil().convert("L").getextrema()
        assert low < high

    def test_a_damaged_one_still_fails(self, tmp_path: Path) -> None:
        desk = PlainDesk()
        handler = handlers(tmp_path, spoiled("vae", NAN), dtype=torch.float16)["text-to-image"]
        assert "The VAE of tiny" in failed(lambda: made(handler, desk)).message
        assert desk.warnings == []


def test_it_is_not_tried_again(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url)
    try:
        station = TestStation(database, tmp_path, raising(NotFinite("The VAE of x.", fault="operator")))
        assert station.execute(station.adopted()) is Outcome.FAILED
        error = station.job().error
    finally:
        database.close()
    assert error is not None
    assert (error.code, error.fault) == ("not_finite", "operator")


def test_only_the_job_that_is_wrong_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The denoiser answers one row of a shared batch with values that are not finite."""
    with batcher() as calls:
        handler = handlers(tmp_path, lambda pipeline: None, calls)["text-to-image"]
        expected = [np.asarray(made(handler, seed=seed)["images"][0].pil(), float) for seed in (5, 6)]
        step = DDIMScheduler.step

        @functools.wraps(step)
        def wrong_for_one(scheduler: Any, output: Any, *args: Any, **options: Any) -> Any:
            is_wrong = options.get("generator") is not None and options["generator"][0].initial_seed() == 7
            return step(scheduler, output * NAN if is_wrong else output, *args, **options)

        monkeypatch.setattr(DDIMScheduler, "step", wrong_for_one)
        jobs: list[Callable[[], Any]] = [
            lambda: np.asarray(made(handler, seed=5)["images"][0].pil(), float),
            lambda: failed(lambda: made(handler, seed=7)),
            lambda: np.asarray(made(handler, seed=6)["images"][0].pil(), float),
        ]
        first, error, last = together(calls, jobs)
    assert error.code == "not_finite"
    assert np.abs(first - expected[0]).max() <= 1
    assert np.abs(last - expected[1]).max() <= 1


def test_a_plain_picture_is_told_of(tmp_path: Path) -> None:
    def spoil(pipeline: Any) -> None:
        pipeline.vae.decoder.conv_out.weight.zero_()

    desk = PlainDesk()
    served = handlers(tmp_path, spoil)
    made(served["text-to-image"], desk, num_images_per_prompt=2)
    assert [(each.code, each.parameters) for each in desk.warnings] == [
        ("picture_constant", {"pictures": ["1", "2"]})
    ]
    # A plain picture that is given explains a plain result.
    other = PlainDesk()
    image = other.give(Image.new("RGB", (32, 32), "red"))
    request = ImageToImageRequest.model_validate({**ASKED, "image": image, "strength": 1.0})
    served["image-to-image"].perform(request, other)
    assert other.warnings == []


def test_the_part_is_searched_only_if_the_result_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[int] = []
    isfinite = torch.isfinite
    monkeypatch.setattr(torch, "isfinite", lambda given: (checked.append(given.numel()), isfinite(given))[1])
    handler = handlers(tmp_path, lambda pipeline: None)["text-to-image"]
    checked.clear()
    desk = PlainDesk()
    made(handler, desk)
    assert checked == [3 * 32 * 32]
    assert [step for step, _ in desk.steps] == [1, 2]
