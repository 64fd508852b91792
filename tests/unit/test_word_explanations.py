"""Explanations of generated pictures by the words of their prompts, on a tiny Stable Diffusion."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import JobStopped
from brushwork_schemas.kinds.explanations.changed_words import changes_of
from brushwork_schemas.kinds.generation.image_to_image import ImageToImageRequest
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import Handler, LoadSpec
from PIL import Image

from tests.desks import PlainDesk
from tests.explained import map_values
from tests.stops import Going
from tests.tiny_models import save_stable_diffusion

KINDS = ("text-to-image", "image-to-image")
PROMPT = "a red circle on a white background"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stable_diffusion(tmp_path_factory.mktemp("tiny-sd"))


def loaded(folder: Path, executor: ModelExecutor) -> dict[str, Handler]:
    model = Model(name="tiny", family="stable-diffusion", source=Source(folder=folder))
    return dict(load(LoadSpec(model, folder, torch.device("cpu"), torch.float32, executor, KINDS)).handlers)


@pytest.fixture(scope="module")
def handlers(folder: Path) -> dict[str, Handler]:
    return loaded(folder, SerialExecutor())


def request(**changes: object) -> TextToImageRequest:
    fields = {"prompt": PROMPT, "width": 32, "height": 32, "num_inference_steps": 2, "seed": 7}
    return TextToImageRequest.model_validate(
        {**fields, "guidance_scale": 2.0, "explain": {"method": "words"}, **changes}
    )


def pixels(artifact: Any) -> np.ndarray:
    return np.asarray(artifact.pil().convert("RGB"), float)


def test_each_word_has_the_picture_of_its_changed_prompt(handlers: dict[str, Handler]) -> None:
    handler, asked, desk = handlers["text-to-image"], request(), PlainDesk()
    made = handler.perform(asked, desk)
    found, changes = made["explanation"], changes_of(asked)
    assert [each.label for each in found.maps] == [each.word for each in changes]
    assert {"red", "circle"} <= {each.label for each in found.maps}
    assert found.num_calls == sum(len(each.prompts) for each in changes)
    own = pixels(made["images"][0])
    for each, change in zip(found.maps, changes, strict=True):
        again = handler.perform(request(prompt=change.prompts[0], explain=None), PlainDesk())
        other = pixels(again["images"][0])
        assert each.pair[0] == made["images"][0]
        assert np.array_equal(pixels(each.pair[1]), other)
        values = map_values(each, desk.store.get(each.map.sha256))
        assert np.allclose(values, np.abs(own - other).mean(2) / 255, atol=1e-4)
        assert each.score == pytest.approx(values.mean(), abs=1e-4)


def test_the_picture_is_that_of_the_job_without_an_explanation(handlers: dict[str, Handler]) -> None:
    handler = handlers["text-to-image"]
    explained = handler.perform(request(num_images_per_prompt=2), PlainDesk())
    plain = handler.perform(request(num_images_per_prompt=2, explain=None), PlainDesk())
    assert "explanation" not in plain
    assert [each.sha256 for each in explained["images"]] == [each.sha256 for each in plain["images"]]
    assert all(each.pair[0] == explained["images"][0] for each in explained["explanation"].maps)


def test_progress_counts_the_extra_runs_and_previews_and_warnings_do_not(
    handlers: dict[str, Handler],
) -> None:
    desk = PlainDesk()
    found = handlers["text-to-image"].perform(request(), desk)["explanation"]
    total = 2 * (1 + found.num_calls)
    assert desk.steps[:2] == [(1, total), (2, total)]
    assert desk.steps[-1] == (total, total)
    assert [step for step, _ in desk.steps] == sorted(step for step, _ in desk.steps)
    plain = PlainDesk()
    handlers["text-to-image"].perform(request(explain=None), plain)
    assert desk.warnings == plain.warnings


def test_only_the_named_words_are_explained(handlers: dict[str, Handler]) -> None:
    asked = request(prompt="一个红色的圆", explain={"method": "words", "words": ["红色"], "num_samples": 2})
    found = handlers["text-to-image"].perform(asked, PlainDesk())["explanation"]
    assert [each.label for each in found.maps] == ["红色"]
    assert found.num_calls == 2


def test_a_picture_of_a_picture_is_explained(handlers: dict[str, Handler]) -> None:
    desk = PlainDesk()
    given = desk.give(Image.linear_gradient("L").resize((32, 32)).convert("RGB"))
    fields = {
        "prompt": "a red circle",
        "image": given,
        "strength": 0.9,
        "num_inference_steps": 4,
        "guidance_scale": 2.0,
        "seed": 3,
        "num_images_per_prompt": 2,
        "explain": {"method": "words"},
    }
    made = handlers["image-to-image"].perform(ImageToImageRequest.model_validate(fields), desk)
    assert [each.label for each in made["explanation"].maps] == ["red", "circle"]
    assert all(each.max > 0 for each in made["explanation"].maps)


def test_batched_runs_make_the_same_maps(folder: Path, handlers: dict[str, Handler]) -> None:
    executor = Batcher(64, 2**40, is_cooperative=True)
    try:
        handler, desk, alone = loaded(folder, executor)["text-to-image"], PlainDesk(), PlainDesk()
        with executor.job(Going(), model="tiny"):
            batched = handler.perform(request(), desk)["explanation"]
        one = handlers["text-to-image"].perform(request(), alone)["explanation"]
        for each, other in zip(batched.maps, one.maps, strict=True):
            values = map_values(each, desk.store.get(each.map.sha256))
            expected = map_values(other, alone.store.get(other.map.sha256))
            # Pictures are rounded to 8 bits: the last bit of a colour may differ.
            assert np.abs(values - expected).max() <= 1 / 255
    finally:
        executor.close()


def test_a_job_that_must_stop_stops_in_an_extra_run(handlers: dict[str, Handler]) -> None:
    steps: list[int] = []

    def on_step(step: int, total: int) -> None:
        steps.append(step)
        if step > 2:
            raise JobStopped("stop")

    with pytest.raises(JobStopped):
        handlers["text-to-image"].perform(request(), PlainDesk(on_step))
    assert steps == [1, 2, 3]
