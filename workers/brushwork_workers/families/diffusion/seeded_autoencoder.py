"""An autoencoder that draws from the job's own random numbers, where its pipeline forgets to say so."""

from collections.abc import Sequence
from typing import Any

import torch


class SeededAutoencoder:
    """Stands for the VAE of a job's pipeline.

    The ControlNet pipeline of Stable Diffusion 3 draws the latents of its control picture from torch's global
    generator, which all threads share: no seed would give the same picture twice.

    Args:
        autoencoder: Of the job's pipeline.
        seeds: Of its pictures.
    """

    def __init__(self, autoencoder: Any, seeds: Sequence[int]) -> None:
        self._autoencoder = autoencoder
        self._generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]

    def encode(self, pixels: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """As the autoencoder's own; row i of the answer belongs to picture i, and so round again."""
        encoded = self._autoencoder.encode(pixels, *args, **kwargs)
        number = len(self._generators)
        own = [self._generators[row % number] for row in range(len(pixels))]
        # Some autoencoders know no chance.
        if hasattr(encoded, "latent_dist"):
            sample = encoded.latent_dist.sample
            encoded.latent_dist.sample = lambda generator=None: sample(
                own if generator is None else generator
            )
        return encoded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._autoencoder, name)
