"""The denoiser: a small UNet on 8x8 latents, conditioned by cross-attention and by pooled text.

v-prediction (Salimans and Ho, 2022) with zero terminal SNR and trailing steps (Lin et al., 2023): at the
noisiest step there is nothing to go by but the prompt, so what is asked is learnt there first, as a
regression from text to latents. Timesteps are drawn denser towards that end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from brushwork_workers.pocket.grammar import Description, drop_words, held_out
from brushwork_workers.pocket.recipe.autoencoder import LATENT_CHANNELS, LATENT_SIDE
from brushwork_workers.pocket.recipe.samples import Sampler
from brushwork_workers.pocket.recipe.text_encoder import WIDTH as TEXT_WIDTH
from brushwork_workers.pocket.recipe.text_encoder import encode, tell
from brushwork_workers.pocket.recipe.training import Loop, Plan, channels_last

_BATCH = 64
_TELLINGS = 4
_UNCONDITIONAL = 0.1
_POOL = 32768


def build() -> UNet2DConditionModel:
    """An untrained denoiser."""
    unet: UNet2DConditionModel = UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(96, 192),
        layers_per_block=1,
        attention_head_dim=4,
        cross_attention_dim=TEXT_WIDTH,
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=8,
    )
    return unet


def build_scheduler() -> DDIMScheduler:
    """The noise schedule, in training and as the pipeline's default."""
    scheduler: DDIMScheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )
    return scheduler


@dataclass
class Pool:
    """Latents of many drawn scenes and a few tellings of each.

    Args:
        latents: `[n, 8, 8, 8]`, half precision.
        ids: `[n, tellings, 20]` token ids.
    """

    latents: torch.Tensor
    ids: torch.Tensor

    def draw(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch of latents and token ids, at random."""
        which = torch.randint(len(self.latents), (size,))
        telling = torch.randint(self.ids.shape[1], (size,))
        return self.latents[which].float(), self.ids[which, telling].long()


def _tellings(full: Description, rng: np.random.Generator) -> list[str]:
    prompts: list[str] = []
    while len(prompts) < _TELLINGS:
        partial = drop_words(full, rng, 0.75)
        if not held_out(partial):
            prompts.append(tell(partial, rng))
    return prompts


@torch.no_grad()
def make_pool(
    vae: AutoencoderTiny,
    tokenizer: PreTrainedTokenizerFast,
    size: int,
    seed: int,
    share_of_two: float,
) -> Pool:
    """Draws scenes from the narrow ranges and encodes them, which takes a few minutes."""
    sampler, rng = Sampler(seed, share_of_two), np.random.default_rng(seed)
    latents, ids = [], []
    for _ in range(size // 256):
        batch = sampler.batch(256)
        pictures = batch.pictures.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            latents.append(vae.encoder(pictures).half())
        prompts = [text for full in batch.full for text in _tellings(full, rng)]
        ids.append(encode(tokenizer, prompts).reshape(256, _TELLINGS, -1).short())
    return Pool(torch.cat(latents), torch.cat(ids))


def noisy_timesteps(size: int) -> torch.Tensor:
    """Timesteps `[size]`, 0 to 999: one in six the last one, the others denser towards it."""
    steps = (1000 * (1 - torch.rand(size) ** 1.5)).long().clamp(0, 999)
    return torch.where(torch.rand(size) < 1 / 6, torch.full_like(steps, 999), steps)


@dataclass
class Parts:
    """What the denoiser is trained with."""

    vae: AutoencoderTiny
    text_encoder: CLIPTextModel
    tokenizer: PreTrainedTokenizerFast

    @classmethod
    def load(cls, folder: Path) -> "Parts":
        """The autoencoder and text encoder trained before."""
        vae = AutoencoderTiny.from_pretrained(folder / "vae").eval()
        text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").eval()
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
        return cls(vae.to(memory_format=torch.channels_last), text_encoder, tokenizer)

    def pipeline(self, unet: UNet2DConditionModel) -> StableDiffusionPipeline:
        """The stock pipeline around a denoiser."""
        components: dict[str, Any] = {
            "vae": self.vae,
            "text_encoder": self.text_encoder,
            "tokenizer": self.tokenizer,
            "unet": unet,
            "scheduler": build_scheduler(),
        }
        components |= dict.fromkeys(["safety_checker", "feature_extractor", "image_encoder"])
        pipeline = StableDiffusionPipeline(**components, requires_safety_checker=False)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


def make_loss(
    unet: UNet2DConditionModel, parts: Parts, pool: Pool
) -> Callable[[], tuple[torch.Tensor, int, dict[str, float]]]:
    """The loss of one batch: mean squared error of v."""
    alphas = build_scheduler().alphas_cumprod
    empty = encode(parts.tokenizer, [""])[0]

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        latents, ids = pool.draw(_BATCH)
        ids = torch.where(torch.rand(_BATCH, 1) < _UNCONDITIONAL, empty, ids)
        steps = noisy_timesteps(_BATCH)
        signal = alphas[steps].sqrt()[:, None, None, None]
        spread = (1 - alphas[steps]).sqrt()[:, None, None, None]
        noise = torch.randn_like(latents)
        noisy = (signal * latents + spread * noise).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                text = parts.text_encoder(input_ids=ids).last_hidden_state
            velocity = unet(noisy, steps, encoder_hidden_states=text).sample
        errors = (velocity.float() - (signal * noise - spread * latents)).square().mean((1, 2, 3))
        last = errors[steps >= 950].mean().item()
        return errors.mean(), _BATCH, {"loss": errors.mean().item(), "noisy_end": last}

    return loss


def train(out: Path, minutes: float, resume: bool) -> None:
    """Trains the denoiser into `out / "unet"`, with a snapshot of its average every five minutes."""
    parts, unet = Parts.load(out), build()
    channels_last(unet)
    # Plain matrix products: the fused attention's backward pass is slow on CPUs at so few positions.
    unet.set_attn_processor(AttnProcessor())
    plan = Plan(minutes, 1e-3, average=0.9995, hold=0.4)
    loop = Loop({"unet": unet}, plan, out / "denoiser.pt")
    if resume:
        loop.resume()
    pool = _kept_pool(parts, out / "pool.pt")

    def watch() -> None:
        average = build()
        average.load_state_dict(loop.averages["unet"])
        average.eval().save_pretrained(out / "unet")
        average.save_pretrained(out / "snapshots" / f"unet-{loop.step}")

    loop.run(make_loss(unet, parts, pool), watch, watch_every_s=300.0)
    watch()


def _kept_pool(parts: Parts, file: Path) -> Pool:
    """The pool of an earlier run, or a new one."""
    if file.exists():
        kept = torch.load(file, weights_only=True)
        return Pool(kept["latents"], kept["ids"])
    pool = make_pool(parts.vae, parts.tokenizer, _POOL, seed=101, share_of_two=0.4)
    torch.save({"latents": pool.latents, "ids": pool.ids}, file)
    return pool
