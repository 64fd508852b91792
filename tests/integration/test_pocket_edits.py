"""What the shipped models of edits and videos do: they obey instructions in both languages."""

from typing import Any

import numpy as np
import pytest
import torch
from brushwork_workers.pocket import WEIGHTS
from diffusers.pipelines.animatediff.pipeline_animatediff import AnimateDiffPipeline
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_instruct_pix2pix import (
    StableDiffusionInstructPix2PixPipeline,
)
from PIL import Image

from recipes.pocket.scenes import edits, motions, world
from recipes.pocket.scenes.edits import Instruction
from recipes.pocket.scenes.motions import Motion
from tests.edit_judge import judge_edit, judge_frames

PICTURES = [
    world.Scene("white", (world.SceneObject("circle", "red", 0.45, 0.60, 0.55),)),
    world.Scene("black", (world.SceneObject("square", "yellow", 0.50, 0.40, 0.45),)),
    world.Scene("beige", (world.SceneObject("triangle", "green", 0.45, 0.55, 0.60),)),
]


@pytest.fixture(scope="module")
def editor() -> Any:
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(WEIGHTS / "pocket-editor")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize(
    ("write", "instruction"),
    [
        (edits.english, Instruction(colour="blue")),
        (edits.chinese, Instruction(colour="pink")),
        (edits.english, Instruction(position="left")),
        (edits.chinese, Instruction(position="top")),
    ],
)
def test_the_editor_obeys(editor: Any, write: Any, instruction: Instruction) -> None:
    for scene in PICTURES:
        before = world.draw(scene)
        after = editor(
            write(instruction),
            image=Image.fromarray(before),
            num_inference_steps=4,
            guidance_scale=1.0,
            image_guidance_scale=1.0,
            generator=torch.Generator().manual_seed(1),
        ).images[0]
        verdict = judge_edit(before, after, instruction)
        named = ("colour", "background", "count") if instruction.colour else ("place", "background", "count")
        assert {name: verdict[name] for name in named} == dict.fromkeys(named, True)


def test_a_video_has_the_named_colours() -> None:
    pipeline = AnimateDiffPipeline.from_pretrained(WEIGHTS / "pocket-video")
    pipeline.set_progress_bar_config(disable=True)
    motion = Motion("red", "square", "right", "far", "black")
    frames = pipeline(
        motions.english(motion),
        num_inference_steps=4,
        guidance_scale=1.0,
        generator=torch.Generator().manual_seed(1),
    ).frames[0]
    verdicts = judge_frames(frames, motion)
    assert len(frames) == 16
    for name in ("colour", "background"):
        assert np.mean([verdict[name] for verdict in verdicts]) >= 0.9
