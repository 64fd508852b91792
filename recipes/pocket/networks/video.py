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

from recipes.pocket.networks import fine_autoencoder, motion_text
from recipes.pocket.networks.few_step_loss import add_noise
from recipes.pocket.networks.fine_autoencoder import LATENT_CHANNELS, LATENT_SIDE
from recipes.pocket.networks.judging import from_checkout
from recipes.pocket.networks.noise import build_scheduler
from recipes.pocket.networks.small_text_encoder import WIDTH as TEXT_WIDTH
from recipes.pocket.networks.small_text_encoder import encode
from recipes.pocket.scenes import motions
from recipes.pocket.scenes.motions import NUM_FRAMES
from recipes.pocket.scenes.samples import to_tensor
from recipes.pocket.training import learning_curve, process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

STEPS = 4
NAME = "video-unet"
_WIDTHS = (32, 40, 56)
_FRAMES = {"cpu": 32, "cuda": 512}
"""The number of frames in a training step."""
_SHOWN, _SHOWN_LATE, _LATE = 2, 8, 0.6
"""The number of frames of each video in a training step, before and after this share of the budget."""
_POOL = 384
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
    """The latents of many training videos, of which one is replaced in every second step.

    Args:
        parts: The frozen parts.
        size: The number of videos.
        seed: The seed of the videos.
    """

    def __init__(self, parts: VideoParts, size: int, seed: int) -> None:
        self._parts = parts
        self._rng = np.random.default_rng((seed, process_group.rank()))
        self._calls = 0
        videos = [self._draw() for _ in range(size)]
        self._latents = torch.stack([latents for latents, _ in videos])
        self._ids = torch.stack([ids for _, ids in videos])

    @torch.no_grad()
    def _draw(self) -> tuple[torch.Tensor, torch.Tensor]:
        motion = motions.sample_training(self._rng)
        prompt = motions.prompt_for(motion, self._rng)
        pictures = to_tensor(motions.draw_video(motion)).to(device(), memory_format=torch.channels_last)
        with bfloat16_autocast():
            latents = self._parts.vae.encoder(pictures).half()
        return latents, encode(self._parts.tokenizer, [prompt])[0].to(device())

    def draw(self, size: int, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return latents `[size, 8, frames, 16, 16]` of random videos, and token ids `[size, 16]`."""
        self._calls += 1
        if self._calls % 2 == 0:
            replaced = self._calls // 2 % len(self._latents)
            self._latents[replaced], self._ids[replaced] = self._draw()
        indices = torch.randint(len(self._latents), (size,), device=self._latents.device)
        chosen = self._latents[indices][:, frames.to(self._latents.device)]
        return chosen.permute(0, 2, 1, 3, 4).float(), self._ids[indices]


@contextmanager
def shown_frames(unet: nn.Module, frames: torch.Tensor) -> Iterator[None]:
    """Let the motion modules see frames with their positions in the video, not in the batch."""
    embeddings = [module for module in unet.modules() if isinstance(module, SinusoidalPositionalEmbedding)]
    whole: list[Any] = [module.pe for module in embeddings]
    try:
        for module, positions in zip(embeddings, whole, strict=True):
            module.pe = positions[:, frames]
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
    loop = Loop({"unet": unet}, Plan(budget, 2e-3, average=0.999, hold=0.5), out / "video")
    pool = VideoPool(parts, _POOL, seed=95 + loop.step)
    size = _FRAMES[device().type]

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        is_late = loop.spent_s > _LATE * 60 * budget.minutes
        shown = _SHOWN_LATE if is_late else _SHOWN
        frames = torch.randperm(NUM_FRAMES)[:shown].sort().values
        latents, ids = pool.draw(size // shown, frames)
        noisy, steps, velocity = add_noise(latents)
        with bfloat16_autocast(), shown_frames(unet, frames):
            with torch.no_grad():
                text = parts.text_encoder(input_ids=ids).last_hidden_state
            text = text.repeat_interleave(shown, dim=0)
            predicted = unet(noisy, steps, encoder_hidden_states=text).sample
        errors = (predicted.float() - velocity).square().mean((1, 2, 3, 4))
        last = errors[steps >= 950].mean().item()
        return errors.mean(), size, {"loss": errors.mean().item(), "noisy_end": last}

    def evaluate() -> None:
        average = build()
        average.load_state_dict(loop.averages["unet"])
        shutil.rmtree(out / NAME, ignore_errors=True)
        average.eval().save_pretrained(out / NAME)
        # The decoder may have been trained further in the meantime.
        pipeline = VideoParts.load(out).pipeline(on_device(average))
        frames, videos = accuracy(pipeline, NUM_EVALUATED, seed=3700)
        samples = loop.step * size * process_group.world_size()
        learning_curve.note(out, "video", loop.spent_s / 60, samples, (frames, videos))

    finished = loop.run(loss, evaluate, evaluate_every_s=600.0)
    if finished and process_group.rank() == 0:
        evaluate()
    return finished
