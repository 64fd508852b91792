"""An autoencoder that samples with the generators of the job, for pipelines that do not pass them."""

from collections.abc import Sequence
from typing import Any

import torch


class SeededAutoencoder:
    """Replaces the VAE in the pipeline of one job.

    The ControlNet pipeline of Stable Diffusion 3 samples the latents of its control picture with the global
    generator of torch, which all threads share. A seed would not reproduce a picture.

    Args:
        autoencoder: The VAE of the pipeline.
        seeds: The seeds of the pictures of the job.
    """

    def __init__(self, autoencoder: Any, seeds: Sequence[int]) -> None:
        self._autoencoder = autoencoder
        self._generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]

    def encode(self, pixels: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Encode pixels; row i is sampled with the generator of picture i modulo the number of pictures."""
        encoded = self._autoencoder.encode(pixels, *args, **kwargs)
        number = len(self._generators)
        own = [self._generators[row % number] for row in range(len(pixels))]
        # Some autoencoders are deterministic.
        if hasattr(encoded, "latent_dist"):
            sample = encoded.latent_dist.sample
            encoded.latent_dist.sample = lambda generator=None: sample(
                own if generator is None else generator
            )
        return encoded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._autoencoder, name)
