"""The denoiser: a small UNet on 8x8 latents, conditioned by cross-attention and by pooled text.

It uses v-prediction (Salimans and Ho, 2022) with zero terminal SNR and trailing steps (Lin et al., 2023). At
the noisiest step the prompt is the only information, so the denoiser first learns a regression from text to
latents there. Timesteps near that end are drawn more often.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from recipes.pocket.networks.autoencoder import LATENT_CHANNELS, LATENT_SIDE
from recipes.pocket.networks.judging import generation_accuracy
from recipes.pocket.networks.noise import build_scheduler
from recipes.pocket.networks.parts import Parts
from recipes.pocket.networks.pool import Pool
from recipes.pocket.texts.text_encoder import WIDTH as TEXT_WIDTH
from recipes.pocket.texts.text_encoder import encode
from recipes.pocket.training import learning_curve, process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.initial_weights import load_initial_weights
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

BATCH = {"cpu": 64, "cuda": 512}
WIDTHS = (96, 192)
_FEW_STEPS, _OFTEN = (999, 749, 499, 249), (0.55, 0.2, 0.15, 0.1)
"""The timesteps of a run of four trailing steps and their shares. The noisiest step is drawn most often."""
_UNCONDITIONAL = 0.1
_POOL = 65536
_SHARE_OF_TWO = 0.2
NUM_EVALUATED = 100
"""The number of held-out prompts, per number of objects, for evaluation during training."""


def build(widths: tuple[int, int] = WIDTHS, norm_groups: int = 16) -> UNet2DConditionModel:
    """Build an untrained denoiser with `widths` channels at 8x8 and 4x4."""
    unet: UNet2DConditionModel = UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=widths,
        layers_per_block=1,
        attention_head_dim=4,
        cross_attention_dim=TEXT_WIDTH,
        norm_num_groups=norm_groups,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=8,
    )
    return unet


def few_timesteps(size: int) -> torch.Tensor:
    """Draw timesteps `[size]` of a run of four trailing steps, more often near pure noise."""
    return torch.tensor(_FEW_STEPS)[torch.multinomial(torch.tensor(_OFTEN), size, replacement=True)]


def noisy_timesteps(size: int) -> torch.Tensor:
    """Draw timesteps `[size]`, 0 to 999: a third from a run of four steps, the others denser near the end."""
    steps = (1000 * (1 - torch.rand(size) ** 1.5)).long().clamp(0, 999)
    return torch.where(torch.rand(size) < 1 / 3, few_timesteps(size), steps)


def make_loss(
    unet: UNet2DConditionModel,
    parts: Parts,
    pool: Pool,
    timesteps: Callable[[int], torch.Tensor],
    unconditional: float = _UNCONDITIONAL,
) -> Callable[[], tuple[torch.Tensor, int, dict[str, float]]]:
    """Return the loss function: the mean squared error of v."""
    alphas = build_scheduler().alphas_cumprod.to(device())
    empty = encode(parts.tokenizer, [""])[0].to(device())
    size = BATCH[device().type]

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        latents, ids = pool.draw(size)
        ids = torch.where(torch.rand(size, 1, device=device()) < unconditional, empty, ids)
        steps = timesteps(size).to(device())
        signal = alphas[steps].sqrt()[:, None, None, None]
        spread = (1 - alphas[steps]).sqrt()[:, None, None, None]
        noise = torch.randn_like(latents)
        noisy = (signal * latents + spread * noise).contiguous(memory_format=torch.channels_last)
        with bfloat16_autocast():
            with torch.no_grad():
                text = parts.text_encoder(input_ids=ids).last_hidden_state
            velocity = unet(noisy, steps, encoder_hidden_states=text).sample
        errors = (velocity.float() - (signal * noise - spread * latents)).square().mean((1, 2, 3))
        last = errors[steps >= 950].mean().item()
        return errors.mean(), size, {"loss": errors.mean().item(), "noisy_end": last}

    return loss


def pool_of(parts: Parts, out: Path) -> Pool:
    """Load or create the training pool. For shipped weights it has other pictures than before."""
    seed = 102 if (out / "start").exists() else 101
    return Pool.load_or_create(parts, out / "pool", _POOL, _SHARE_OF_TWO, seed)


def keep(state: dict[str, torch.Tensor], folder: Path) -> UNet2DConditionModel:
    """Save a denoiser with averaged weights, in files of at most 12 MB, and return it."""
    average = build()
    average.load_state_dict(state)
    shutil.rmtree(folder, ignore_errors=True)
    average.eval().save_pretrained(folder, max_shard_size="12MB")
    return on_device(average)


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the denoiser. Every 15 minutes its average is evaluated and saved to `out / "unet"`."""
    parts, unet = Parts.load(out), build()
    is_warm = load_initial_weights(unet, out, "pocket-diffusion/unet")
    # Plain matrix products, because the backward pass of fused attention is slow on CPUs for few positions.
    unet.set_attn_processor(AttnProcessor())
    unet = on_device(unet)
    plan = Plan(budget, 7e-4 if is_warm else 1e-3, average=0.998, hold=0.4)
    loop = Loop({"unet": unet}, plan, out / "denoiser")
    loss = make_loss(unet, parts, pool_of(parts, out), noisy_timesteps)

    def evaluate() -> None:
        unet_now = keep(loop.averages["unet"], out / "unet")
        pipeline = parts.pipeline(unet_now)
        one, two = (
            generation_accuracy(pipeline, count, NUM_EVALUATED, 3200, steps=12, guidance=2.0)
            for count in (1, 2)
        )
        samples = loop.step * BATCH[device().type] * process_group.world_size()
        learning_curve.note(out, "denoiser", loop.spent_s / 60, samples, (one, two))

    finished = loop.run(loss, evaluate, evaluate_every_s=900.0)
    if finished and process_group.rank() == 0:
        evaluate()
    return finished
