"""A second training of the decoder, on the errors of the trained denoiser."""

from pathlib import Path

from recipes.pocket.networks import decoder
from recipes.pocket.training.loop import TimeBudget


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the decoder of `out / "vae"` further, with its own checkpoint."""
    return decoder.train(out, budget, name="polish")
