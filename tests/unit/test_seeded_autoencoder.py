"""Latents of a control picture are drawn from the job's own seeds."""

from typing import Any

import pytest
import torch
from brushwork_workers.families.diffusion.seeded_autoencoder import SeededAutoencoder

from tests.tiny_models import autoencoder

PIXELS = torch.linspace(-1, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)


@pytest.fixture(scope="module")
def plain() -> Any:
    made: Any = autoencoder()
    return made.eval()


@torch.no_grad()
def drawn(plain: Any, seeds: list[int], rows: int = 1) -> torch.Tensor:
    seeded = SeededAutoencoder(plain, seeds)
    latents: torch.Tensor = seeded.encode(PIXELS.repeat(rows, 1, 1, 1)).latent_dist.sample()
    return latents


def test_a_seed_gives_the_same_latents_whatever_else_is_drawn(plain: Any) -> None:
    one = drawn(plain, [3])
    torch.rand(5)
    assert torch.equal(one, drawn(plain, [3]))
    assert not torch.allclose(one, drawn(plain, [4]))


def test_each_picture_draws_from_its_own_seed(plain: Any) -> None:
    alone = [drawn(plain, [seed], rows=2) for seed in (3, 4)]
    # Two pictures, with guidance and without: each of them twice.
    together = drawn(plain, [3, 4], rows=4)
    for index, latents in enumerate(alone):
        assert torch.allclose(together[[index, index + 2]], latents, atol=1e-5)


@torch.no_grad()
def test_who_says_from_what_to_draw_is_heard(plain: Any) -> None:
    wanted = plain.encode(PIXELS).latent_dist.sample(torch.Generator().manual_seed(9))
    distribution = SeededAutoencoder(plain, [3]).encode(PIXELS).latent_dist
    assert torch.equal(distribution.sample(torch.Generator().manual_seed(9)), wanted)


def test_all_else_is_the_autoencoders_own(plain: Any) -> None:
    assert SeededAutoencoder(plain, [3]).config.latent_channels == plain.config.latent_channels
