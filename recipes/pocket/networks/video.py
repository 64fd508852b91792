"""The denoiser of videos: a small UNet with motion modules, which attend over the frames of each place.

A prompt determines the video, so four steps without guidance are enough. Each training step shows a few of
the 16 frames of each video, with their positions, so more videos are seen in the same time. Towards the end
it shows eight.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.embeddings import SinusoidalPositionalEmbedding
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from diffusers.pipelines.animatediff.pipeline_animatediff import AnimateDiffPipeline
from torch import nn
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from recipes.pocket.networks import fine_autoencoder
from recipes.pocket.networks.few_step_loss import add_noise
from recipes.pocket.networks.fine_autoencoder import LATENT_CHANNELS, LATENT_SIDE
from recipes.pocket.networks.judging import from_checkout
from recipes.pocket.networks.noise import build_scheduler
from recipes.pocket.scenes import motions, world
from recipes.pocket.scenes.motions import NUM_FRAMES
from recipes.pocket.scenes.samples import to_tensor
from recipes.pocket.texts import motion_text
from recipes.pocket.texts.small_text_encoder import WIDTH as TEXT_WIDTH
from recipes.pocket.texts.small_text_encoder import encode
from recipes.pocket.training import learning_curve, process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

STEPS = 4
NAME = "video-unet"
_WIDTHS = (32, 40, 56)
_FRAMES = {"cpu": 32, "cuda": 512}
"""The number of frames in a training step."""
_SHOWN, _SHOWN_LATE, _LATE = 2, 8, 0.85
"""The number of frames of each video in a training step, before and after this share of the budget."""
_POOL = 4096
"""The number of frames in the pool."""
_NEW_SHARE = 0.3
"""The new videos of each step, as a share of its videos."""
_PLACES = (LATENT_SIDE // 4) ** 2
"""The places of a frame at the resolution that has motion modules."""
NUM_EVALUATED = 10


def build() -> UNetMotionModel:
    """Build an untrained denoiser of videos."""
    unet: UNetMotionModel = UNetMotionModel(
        sample_size=LATENT_SIDE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlockMotion", "DownBlockMotion", "CrossAttnDownBlockMotion"),
        up_block_types=("CrossAttnUpBlockMotion", "UpBlockMotion", "UpBlockMotion"),
        block_out_channels=_WIDTHS,
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        norm_num_groups=8,
        num_attention_heads=4,
        motion_num_attention_heads=4,
        motion_max_seq_length=NUM_FRAMES,
        use_motion_mid_block=False,
        temporal_transformer_layers_per_block=(0, 0, 1),
    )
    return unet


@dataclass
class VideoParts:
    """The frozen parts that a denoiser of videos is trained with."""

    vae: AutoencoderTiny
    text_encoder: CLIPTextModel
    tokenizer: PreTrainedTokenizerFast

    @classmethod
    def load(cls, out: Path) -> "VideoParts":
        """Load the autoencoder, the text encoder and its tokenizer."""
        vae = AutoencoderTiny.from_pretrained(out / fine_autoencoder.NAME).eval()
        text_encoder = CLIPTextModel.from_pretrained(out / motion_text.NAME).eval()
        tokenizer = PreTrainedTokenizerFast.from_pretrained(out / f"{motion_text.NAME}_tokenizer")
        return cls(on_device(vae), text_encoder.to(device()), tokenizer)

    def pipeline(self, unet: UNetMotionModel) -> AnimateDiffPipeline:
        """Return the standard pipeline with a denoiser. Its motion modules are part of the denoiser."""
        components: dict[str, Any] = {
            "vae": self.vae,
            "text_encoder": self.text_encoder,
            "tokenizer": self.tokenizer,
            "unet": unet,
            "motion_adapter": None,
            "scheduler": build_scheduler(),
        }
        pipeline = AnimateDiffPipeline(**components)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


class VideoPool:
    """The latents of a few frames of many training videos, of which some are replaced in each step.

    Args:
        parts: The frozen parts.
        size: The number of videos.
        shown: The number of frames of each video. They are drawn at random, and kept in their order.
        seed: The seed of the videos.
    """

    def __init__(self, parts: VideoParts, size: int, shown: int, seed: int) -> None:
        self._parts = parts
        self._shown = shown
        self._rng = np.random.default_rng((seed, process_group.rank()))
        self._next = 0
        chunks = [self._draw(min(64, size - start)) for start in range(0, size, 64)]
        self._latents, self._frames, self._ids = (torch.cat(column) for column in zip(*chunks, strict=True))

    @torch.no_grad()
    def _draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        drawn, frames, prompts = [], [], []
        for _ in range(count):
            motion = motions.sample_training(self._rng)
            chosen = np.sort(self._rng.permutation(NUM_FRAMES)[: self._shown])
            drawn += [world.draw(motions.scene_at(motion, int(frame))) for frame in chosen]
            frames.append(torch.from_numpy(chosen))
            prompts.append(motions.prompt_for(motion, self._rng))
        pictures = to_tensor(np.stack(drawn)).to(device(), memory_format=torch.channels_last)
        with bfloat16_autocast():
            latents = self._parts.vae.encoder(pictures).half()
        latents = latents.unflatten(0, (count, self._shown)).transpose(1, 2)
        return latents, torch.stack(frames), encode(self._parts.tokenizer, prompts).to(device())

    def draw(self, size: int, new: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Replace `new` videos of the pool, and return a random batch.

        Returns:
            Latents `[size, 8, shown, 16, 16]`, positions of the frames `[size, shown]`, and token ids.
        """
        replaced = torch.arange(self._next, self._next + new) % len(self._latents)
        self._next += new
        self._latents[replaced], self._frames[replaced], self._ids[replaced] = self._draw(new)
        indices = torch.randint(len(self._latents), (size,))
        return self._latents[indices].float(), self._frames[indices], self._ids[indices]


@contextmanager
def shown_frames(unet: nn.Module, frames: torch.Tensor) -> Iterator[None]:
    """Let the motion modules see frames `[n, shown]` with their positions in the video, not in the batch."""
    embeddings = [module for module in unet.modules() if isinstance(module, SinusoidalPositionalEmbedding)]
    whole: list[Any] = [module.pe for module in embeddings]
    try:
        for module, positions in zip(embeddings, whole, strict=True):
            module.pe = positions[0, frames].repeat_interleave(_PLACES, dim=0)
        yield
    finally:
        for module, positions in zip(embeddings, whole, strict=True):
            module.pe = positions


def accuracy(pipeline: AnimateDiffPipeline, count: int, seed: int) -> tuple[float, float]:
    """Return the shares of right frames and of videos with 16 right frames, by the judge, half Chinese."""
    judge_frames = from_checkout("tests.edit_judge").judge_frames
    rng = np.random.default_rng(seed)
    right = []
    for index in range(count):
        motion = motions.sample_test(rng)
        prompt = (motions.english, motions.chinese)[index % 2](motion)
        frames = pipeline(
            prompt,
            num_frames=NUM_FRAMES,
            num_inference_steps=STEPS,
            guidance_scale=1.0,
            generator=torch.Generator().manual_seed(seed * 100_000 + index),
        ).frames[0]
        right.append([all(verdict.values()) for verdict in judge_frames(frames, motion)])
    return float(np.mean(right)), float(np.mean([all(video) for video in right]))


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the denoiser of videos and save it to `out / NAME`."""
    parts, unet = VideoParts.load(out), build()
    # Plain matrix products, because the backward pass of fused attention is slow on CPUs for few positions.
    unet.set_attn_processor(AttnProcessor())
    unet = on_device(unet)
    loop = Loop({"unet": unet}, Plan(budget, 2e-3, average=0.998, hold=0.5), out / "video")
    pools: dict[int, VideoPool] = {}
    num_frames = _FRAMES[device().type]

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        is_late = loop.spent_s > _LATE * 60 * budget.minutes
        shown = _SHOWN_LATE if is_late else _SHOWN
        if shown not in pools:
            pools.clear()
            pools[shown] = VideoPool(parts, max(8, _POOL // shown), shown, seed=95 + loop.step)
        size = num_frames // shown
        latents, frames, ids = pools[shown].draw(size, max(1, round(_NEW_SHARE * size)))
        noisy, steps, velocity = add_noise(latents)
        with bfloat16_autocast(), shown_frames(unet, frames):
            with torch.no_grad():
                text = parts.text_encoder(input_ids=ids).last_hidden_state
            text = text.repeat_interleave(shown, dim=0)
            predicted = unet(noisy, steps, encoder_hidden_states=text).sample
        errors = (predicted.float() - velocity).square().mean((1, 2, 3, 4))
        last = errors[steps >= 950].mean().item()
        return errors.mean(), num_frames, {"loss": errors.mean().item(), "noisy_end": last}

    def evaluate() -> None:
        average = build()
        average.load_state_dict(loop.averages["unet"])
        shutil.rmtree(out / NAME, ignore_errors=True)
        average.eval().save_pretrained(out / NAME)
        # The decoder may have been trained further in the meantime.
        pipeline = VideoParts.load(out).pipeline(on_device(average))
        frames, videos = accuracy(pipeline, NUM_EVALUATED, seed=3700)
        samples = loop.step * num_frames * process_group.world_size()
        learning_curve.note(out, "video", loop.spent_s / 60, samples, (frames, videos))

    finished = loop.run(loss, evaluate, evaluate_every_s=600.0)
    if finished and process_group.rank() == 0:
        evaluate()
    return finished
