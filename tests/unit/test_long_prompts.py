"""Prompts that are longer than a text encoder takes: in chunks for CLIP, with a warning for all others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import Handler, LoadSpec
from diffusers import DiffusionPipeline

from tests.desks import PlainDesk
from tests.gathering import batcher, together
from tests.tiny_models import stable_diffusion
from tests.tiny_pipelines import flux, stable_diffusion_3, stable_diffusion_xl

# The tokenizer of the tiny models has one token for each letter.
FITS, ONE_MORE, LONG = "a" * 75, "a" * 74 + "bc", "ab" * 80
ASKED = {"width": 32, "height": 32, "num_inference_steps": 2, "guidance_scale": 3.0, "seed": 5}
MAKE: dict[str, Callable[[], DiffusionPipeline]] = {
    "stable-diffusion": stable_diffusion,
    "stable-diffusion-xl": stable_diffusion_xl,
    "stable-diffusion-3": stable_diffusion_3,
    "flux": flux,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    saved: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in saved:
            saved[family] = tmp_path_factory.mktemp(family)
            pipeline: Any = MAKE[family]()
            pipeline.save_pretrained(saved[family])
        return saved[family]

    return folder


def handler(folder: Path, family: str, calls: ModelExecutor | None = None) -> Handler:
    model = Model(name="tiny", family=family, source=Source(folder=folder))
    executor = calls or SerialExecutor()
    spec = LoadSpec(model, folder, torch.device("cpu"), torch.float32, executor, ("text-to-image",))
    return load(spec).handlers["text-to-image"]


def pixels(of: Handler, desk: PlainDesk | None = None, **asked: Any) -> np.ndarray:
    request = TextToImageRequest.model_validate({**ASKED, **asked})
    made = of.perform(request, desk or PlainDesk())
    return np.stack([np.asarray(image.pil(), dtype=float) for image in made["images"]])


def embedded(encoder: Any, tokenizer: Any, text: str, count: int, *, skip: int = 0) -> tuple[Any, Any]:
    """The embeddings of a text in chunks, written down without the code under test."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    parts, pooled = [], []
    for index in range(count):
        own = [tokenizer.bos_token_id, *ids[75 * index : 75 * (index + 1)], tokenizer.eos_token_id]
        own += [tokenizer.pad_token_id] * (77 - len(own))
        answer = encoder(torch.tensor([own]), output_hidden_states=True)
        parts.append(answer.hidden_states[-2] if skip else answer[0])
        pooled.append(answer[0])
    return torch.cat(parts, dim=1), pooled[0]


def by_diffusers(folder: Path, family: str, prompt: str, negative: str | None, count: int) -> np.ndarray:
    pipeline: Any = DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    arguments = {name: value for name, value in ASKED.items() if name != "seed"}
    with torch.no_grad():
        if family == "stable-diffusion":
            encoder = pipeline.text_encoder, pipeline.tokenizer
            arguments["prompt_embeds"], _ = embedded(*encoder, prompt, count)
            arguments["negative_prompt_embeds"], _ = embedded(*encoder, negative or "", count)
        else:
            first, second = (
                (pipeline.text_encoder, pipeline.tokenizer),
                (pipeline.text_encoder_2, pipeline.tokenizer_2),
            )
            for text, prefix in ((prompt, ""), (negative or "", "negative_")):
                one, _ = embedded(*first, text, count, skip=1)
                two, pooled = embedded(*second, text, count, skip=1)
                both = torch.cat([one, two], dim=-1)
                is_missing = prefix and negative is None
                arguments[f"{prefix}prompt_embeds"] = torch.zeros_like(both) if is_missing else both
                arguments[f"{prefix}pooled_prompt_embeds"] = (
                    torch.zeros_like(pooled) if is_missing else pooled
                )
    generator = torch.Generator().manual_seed(5)
    floats = pipeline(generator=generator, output_type="np", **arguments).images
    return np.asarray(floats) * 255


@pytest.mark.parametrize("family", ["stable-diffusion", "stable-diffusion-xl"])
@pytest.mark.parametrize(
    ("prompt", "negative", "count"),
    [(LONG, None, 3), (LONG, "c" * 5, 3), ("a", LONG, 3), (ONE_MORE, None, 2), (FITS, FITS, 1)],
    ids=["long", "short negative", "long negative", "one more", "fits"],
)
def test_chunks_are_joined(folders: Any, family: str, prompt: str, negative: str | None, count: int) -> None:
    desk = PlainDesk()
    folder = folders(family)
    own = pixels(handler(folder, family), desk, prompt=prompt, negative_prompt=negative or "")
    # Half a level is the rounding to 8 bits.
    assert np.abs(own - by_diffusers(folder, family, prompt, negative, count)).max() <= 0.6
    assert desk.warnings == []


def test_what_was_left_out_before_has_an_effect_now(folders: Any) -> None:
    served = handler(folders("stable-diffusion"), "stable-diffusion")
    assert np.abs(pixels(served, prompt=FITS + "xyz") - pixels(served, prompt=FITS + "abc")).max() > 0


def test_several_pictures_and_clip_skip(folders: Any) -> None:
    served = handler(folders("stable-diffusion"), "stable-diffusion")
    options = {"prompt": LONG, "clip_skip": 1}
    both = pixels(served, num_images_per_prompt=2, **options)
    second = pixels(served, seed=6, **options)
    assert np.abs(both[1] - second[0]).max() <= 1
    assert np.abs(both - pixels(served, num_images_per_prompt=2, prompt=LONG)).max() > 0


def test_without_guidance(folders: Any) -> None:
    served = handler(folders("stable-diffusion-xl"), "stable-diffusion-xl")
    assert pixels(served, prompt=LONG, guidance_scale=1.0).shape == (1, 32, 32, 3)


def test_jobs_of_different_lengths_at_once_are_as_alone(folders: Any) -> None:
    folder, prompts = folders("stable-diffusion"), [FITS, LONG, ONE_MORE, "a", LONG + "c", LONG]
    served = handler(folder, "stable-diffusion")
    alone = [pixels(served, prompt=prompt) for prompt in prompts]
    shared: list[int] = []
    with batcher(on_batch=lambda ran: shared.append(len(ran.batch.calls))) as calls:
        gathered = handler(folder, "stable-diffusion", calls)
        jobs = [lambda prompt=prompt: pixels(gathered, prompt=prompt) for prompt in prompts]
        found = together(calls, jobs)
    assert max(shared) > 1
    for own, expected in zip(found, alone, strict=True):
        assert np.abs(own - expected).max() <= 1


@pytest.mark.parametrize(
    ("family", "encoders"),
    [
        ("stable-diffusion-3", ["text_encoder", "text_encoder_2"]),
        ("flux", ["text_encoder"]),
    ],
)
def test_other_families_say_what_they_left_out(folders: Any, family: str, encoders: list[str]) -> None:
    desk = PlainDesk()
    pixels(handler(folders(family), family), desk, prompt=LONG)
    # The tiny tokenizers know few words, and guidance is of no effect in some of these models.
    found = [
        (each.code, each.field, dict(each.parameters)) for each in desk.warnings if each.code == "prompt_cut"
    ]
    assert found == [
        ("prompt_cut", "prompt", {"encoder": encoder, "used": 75, "left_out": 85}) for encoder in encoders
    ]


def test_a_negative_prompt_is_named(folders: Any) -> None:
    desk, family = PlainDesk(), "stable-diffusion-3"
    pixels(handler(folders(family), family), desk, prompt="a", negative_prompt=ONE_MORE)
    assert {(each.field, each.parameters["left_out"]) for each in desk.warnings} == {("negative_prompt", 1)}


def test_a_prompt_that_fits_has_no_warning(folders: Any) -> None:
    for family in MAKE:
        desk = PlainDesk()
        pixels(handler(folders(family), family), desk, prompt=FITS)
        assert "prompt_cut" not in {each.code for each in desk.warnings}
