"""The autoencoder's decoder, trained on by itself: latents, and so the denoiser, stay as they are."""

from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

from brushwork_workers.pocket.recipe.autoencoder import edge_weights
from brushwork_workers.pocket.recipe.samples import Sampler
from brushwork_workers.pocket.recipe.training import Loop, Plan, channels_last

_MAX_NOISE = 0.3
_BATCH = 32


def train(out: Path, minutes: float, resume: bool) -> None:
    """Trains the decoder of `out / "vae"` on, in place."""
    model = AutoencoderTiny.from_pretrained(out / "vae")
    channels_last(model)
    loop = Loop({"decoder": model.decoder}, Plan(minutes, 5e-4, hold=0.2), out / "decoder.pt")
    if resume:
        loop.resume()
    sampler = Sampler(seed=51 + loop.step, share_of_two=0.5)

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        pictures = sampler.batch(_BATCH).pictures.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                latents = model.encoder(pictures).float()
            strength = torch.rand(_BATCH, 1, 1, 1) * _MAX_NOISE
            drawn = model.decoder(latents + strength * torch.randn_like(latents))
        error = drawn.float() - pictures
        weighted = edge_weights(pictures) * (error.abs() + 2.0 * error**2)
        return weighted.mean(), _BATCH, {"mse": (error**2).mean().item()}

    loop.run(loss)
    model.save_pretrained(out / "vae")
