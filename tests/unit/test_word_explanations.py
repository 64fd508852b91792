"""Explanations of generated pictures by the words of their prompts, on a tiny Stable Diffusion."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import JobStopped
from brushwork_schemas.kinds.explanations.changed_words import changes_of, word_changes
from brushwork_schemas.kinds.generation.image_to_image import ImageToImageRequest
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest, TextToImageResult
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.kinds.result import Provenance, Timings
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.execution.new_pictures import PictureOrigin
from brushwork_workers.execution.policies.seen_pictures import without_explanation
from brushwork_workers.explanations.words import (
    HIDDEN,
    NOT_FINITE,
    ChangedPicture,
    OwnPicture,
    words_explained,
)
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import Handler, LoadSpec
from PIL import Image

from tests.desks import PlainDesk
from tests.explained import map_values
from tests.explained_words import measured
from tests.stops import Going
from tests.tiny_models import save_stable_diffusion

PROVENANCE = Provenance(
    model="tiny",
    model_revision="1",
    versions={},
    device="cpu",
    dtype="float32",
    worker="worker",
    attempt=1,
    timings=Timings(queued_s=0, loading_s=0, running_s=0),
)
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
        "seed": 3,
        "num_images_per_prompt": 2,
        "guidance_scale": 2.0,
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


def test_a_job_that_must_stop_stops_between_its_runs(handlers: dict[str, Handler]) -> None:
    def stop(step: int, total: int) -> None:
        if step > 3:
            raise JobStopped("The job was canceled.")

    desk = PlainDesk(stop)
    with pytest.raises(JobStopped):
        handlers["text-to-image"].perform(request(), desk)
    assert desk.steps[-1][0] == 4


def test_words_without_a_picture_are_named_in_a_warning() -> None:
    desk, black = PlainDesk(), Image.new("RGB", (8, 8))
    changes = word_changes("a red round circle", ["red", "round", "circle"])
    found = {
        changes[0].prompts[0]: ChangedPicture(Image.new("RGB", (8, 8), "red")),
        changes[1].prompts[0]: ChangedPicture(None, HIDDEN),
        changes[2].prompts[0]: ChangedPicture(None, NOT_FINITE),
    }
    own = OwnPicture(black, desk.save_picture(black), 3)
    made = words_explained(desk, own, changes, found)
    assert [each.label for each in made.maps] == ["red"]
    assert made.maps[0].score == pytest.approx(1 / 3)
    told = [(each.code, each.parameters["words"], each.parameters["reason"]) for each in desk.warnings]
    assert told == [
        ("words_not_explained", ["round"], HIDDEN),
        ("words_not_explained", ["circle"], NOT_FINITE),
    ]


def test_a_picture_that_the_safety_checker_replaced_has_no_maps() -> None:
    desk, black = PlainDesk(), Image.new("RGB", (8, 8))
    own = OwnPicture(black, desk.save_picture(black), 3, is_hidden=True)
    made = words_explained(desk, own, word_changes("a red circle", ["red", "circle"]), {})
    assert (made.maps, made.num_calls) == ((), 0)
    assert [each.parameters["words"] for each in desk.warnings] == [["red", "circle"]]


def test_the_picture_of_a_changed_prompt_states_that_prompt() -> None:
    origin = PictureOrigin(kind_named("text-to-image"), request(), "tiny", "1")
    parameters = origin.parameters(7, {"prompt": "a cyan circle"})
    assert (parameters["prompt"], parameters["seed"]) == ("a cyan circle", 7)
    assert "explain" not in parameters
    assert origin.parameters(7) == {**parameters, "prompt": PROMPT}


def test_an_explanation_leaves_with_its_files_if_a_picture_may_not_be_seen(
    handlers: dict[str, Handler],
) -> None:
    made = handlers["text-to-image"].perform(request(), PlainDesk())
    explanation = made.pop("explanation")
    result = TextToImageResult(**made, provenance=PROVENANCE, explanation=explanation)
    changed, files = without_explanation(result)
    assert changed.explanation is None
    assert changed.images == result.images
    assert [each.code for each in changed.warnings] == ["explanation_removed"]
    assert made["images"][0].sha256 not in files
    of_maps = {name for each in explanation.maps for name in (each.map.sha256, each.overlay.sha256)}
    assert files == of_maps | {each.pair[1].sha256 for each in explanation.maps}


def test_maps_of_the_pocket_model_lie_on_the_objects(*, thorough: bool) -> None:
    # `python -m tests.explained_words` measures more of them.
    figures = measured(2 if thorough else 1, seed=11, most_objects=2 if thorough else 1)
    assert figures.left_out == 0
    for (_, _, sort), row in figures.rows.items():
        assert np.mean(row.energy) >= (0.7 if sort == "colour" else 0.5)
        assert all(row.own_above)
