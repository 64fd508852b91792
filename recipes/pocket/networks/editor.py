"""The editor: a small UNet that sees the latents of a picture and, from noise, makes those of the edited one.

An instruction and a picture determine the result, so four steps without guidance are enough. An empty
instruction, in one of twenty samples, leaves the picture as it is.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_instruct_pix2pix import (
    StableDiffusionInstructPix2PixPipeline,
)
from PIL import Image
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from recipes.pocket.networks import fine_autoencoder
from recipes.pocket.networks.few_step_loss import add_noise
from recipes.pocket.networks.fine_autoencoder import LATENT_CHANNELS, LATENT_SIDE
from recipes.pocket.networks.judging import from_checkout
from recipes.pocket.networks.noise import build_scheduler
from recipes.pocket.scenes import edits
from recipes.pocket.scenes.edits import Instruction
from recipes.pocket.scenes.samples import to_tensor
from recipes.pocket.texts import instruction_text
from recipes.pocket.texts.small_text_encoder import WIDTH as TEXT_WIDTH
from recipes.pocket.texts.small_text_encoder import encode
from recipes.pocket.training import learning_curve, process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

STEPS = 4
NAME = "editor-unet"
_WIDTHS = (32, 40, 56)
_BATCH = {"cpu": 32, "cuda": 512}
_POOL = 1536
_NEW_PER_STEP = 6
"""The number of edits of the pool that are replaced by new ones in each step."""
_EMPTY_SHARE = 0.05
NUM_EVALUATED = 60


def build() -> UNet2DConditionModel:
    """Build an untrained editor. Its input is noisy latents and, after them, those of the picture."""
    unet: UNet2DConditionModel = UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=2 * LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=_WIDTHS,
        layers_per_block=1,
        attention_head_dim=4,
        cross_attention_dim=TEXT_WIDTH,
        norm_num_groups=8,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )
    return unet


@dataclass
class EditorParts:
    """The frozen parts that an editor is trained with."""

    vae: AutoencoderTiny
    text_encoder: CLIPTextModel
    tokenizer: PreTrainedTokenizerFast

    @classmethod
    def load(cls, out: Path) -> "EditorParts":
        """Load the autoencoder, the text encoder and its tokenizer."""
        vae = AutoencoderTiny.from_pretrained(out / fine_autoencoder.NAME).eval()
        text_encoder = CLIPTextModel.from_pretrained(out / instruction_text.NAME).eval()
        tokenizer = PreTrainedTokenizerFast.from_pretrained(out / f"{instruction_text.NAME}_tokenizer")
        return cls(on_device(vae), text_encoder.to(device()), tokenizer)

    def pipeline(self, unet: UNet2DConditionModel) -> StableDiffusionInstructPix2PixPipeline:
        """Return the standard pipeline with an editor."""
        components: dict[str, Any] = {
            "vae": self.vae,
            "text_encoder": self.text_encoder,
            "tokenizer": self.tokenizer,
            "unet": unet,
            "scheduler": build_scheduler(),
        }
        components |= dict.fromkeys(["safety_checker", "feature_extractor", "image_encoder"])
        pipeline = StableDiffusionInstructPix2PixPipeline(**components, requires_safety_checker=False)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


class EditPool:
    """The latents of many pictures before and after training edits, of which some are replaced in each step.

    Args:
        parts: The frozen parts.
        size: The number of edits.
        seed: The seed of the edits.
    """

    def __init__(self, parts: EditorParts, size: int, seed: int) -> None:
        self._parts = parts
        self._rng = np.random.default_rng((seed, process_group.rank()))
        self._next = 0
        chunks = [self._draw(min(128, size - start)) for start in range(0, size, 128)]
        self._before, self._after, self._ids = (torch.cat(column) for column in zip(*chunks, strict=True))

    @torch.no_grad()
    def _draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        drawn, prompts = [], []
        for _ in range(count):
            is_empty = self._rng.random() < _EMPTY_SHARE
            edit = edits.sample_edit(self._rng, instruction=Instruction() if is_empty else None)
            drawn.append(edits.draw_edit(edit, self._rng))
            prompts.append(edits.prompt_for(edit.instruction, self._rng))
        before, after = (
            to_tensor(np.stack(column)).to(device(), memory_format=torch.channels_last)
            for column in zip(*drawn, strict=True)
        )
        with bfloat16_autocast():
            latents = self._parts.vae.encoder(torch.cat([before, after])).half()
        return latents[:count], latents[count:], encode(self._parts.tokenizer, prompts).to(device())

    def draw(self, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return random latents before and after edits, and token ids, after replacing some of the pool."""
        replaced = torch.arange(self._next, self._next + _NEW_PER_STEP) % len(self._before)
        self._next += _NEW_PER_STEP
        self._before[replaced], self._after[replaced], self._ids[replaced] = self._draw(_NEW_PER_STEP)
        indices = torch.randint(len(self._before), (size,), device=self._before.device)
        return self._before[indices].float(), self._after[indices].float(), self._ids[indices]


def accuracy(pipeline: StableDiffusionInstructPix2PixPipeline, count: int, seed: int) -> tuple[float, float]:
    """Return the shares of right edits of the colour and of the place, by the judge.

    Both take turns, and so do both languages. `count` is at least two.
    """
    judge_edit = from_checkout("tests.edit_judge").judge_edit
    rng = np.random.default_rng(seed)
    right: dict[bool, list[bool]] = {True: [], False: []}
    # Its annotations also have the tuple that `return_dict=False` gives.
    run: Any = pipeline
    for index in range(count):
        choices = [one for one in edits.instructions() if bool(one.colour) == (index % 2 == 0)]
        edit = edits.sample_edit(rng, instruction=choices[int(rng.integers(len(choices)))])
        before = edits.draw_edit(edit, rng)[0]
        write = (edits.english, edits.chinese)[index // 2 % 2]
        after = run(
            write(edit.instruction),
            image=Image.fromarray(before),
            num_inference_steps=STEPS,
            guidance_scale=1.0,
            image_guidance_scale=1.0,
            generator=torch.Generator().manual_seed(seed * 100_000 + index),
        ).images[0]
        verdict = judge_edit(before, after, edit.instruction)
        right[edit.instruction.colour is not None].append(all(verdict.values()))
    return float(np.mean(right[True])), float(np.mean(right[False]))


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the editor and save it to `out / NAME`."""
    parts, unet = EditorParts.load(out), build()
    # Plain matrix products, because the backward pass of fused attention is slow on CPUs for few positions.
    unet.set_attn_processor(AttnProcessor())
    unet = on_device(unet)
    loop = Loop({"unet": unet}, Plan(budget, 2e-3, average=0.998, hold=0.5), out / "editor")
    pool = EditPool(parts, _POOL, seed=91 + loop.step)
    size = _BATCH[device().type]

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        before, after, ids = pool.draw(size)
        noisy, steps, velocity = add_noise(after)
        inputs = torch.cat([noisy, before], dim=1).contiguous(memory_format=torch.channels_last)
        with bfloat16_autocast():
            with torch.no_grad():
                text = parts.text_encoder(input_ids=ids).last_hidden_state
            predicted = unet(inputs, steps, encoder_hidden_states=text).sample
        errors = (predicted.float() - velocity).square().mean((1, 2, 3))
        last = errors[steps >= 950].mean().item()
        return errors.mean(), size, {"loss": errors.mean().item(), "noisy_end": last}

    def evaluate() -> None:
        average = build()
        average.load_state_dict(loop.averages["unet"])
        shutil.rmtree(out / NAME, ignore_errors=True)
        average.eval().save_pretrained(out / NAME)
        # The decoder may have been trained further in the meantime.
        pipeline = EditorParts.load(out).pipeline(on_device(average))
        colour, place = accuracy(pipeline, NUM_EVALUATED, seed=3600)
        samples = loop.step * size * process_group.world_size()
        learning_curve.note(out, "editor", loop.spent_s / 60, samples, (colour, place))

    finished = loop.run(loss, evaluate, evaluate_every_s=600.0)
    if finished and process_group.rank() == 0:
        evaluate()
    return finished
