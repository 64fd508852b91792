"""The decoder once more, now on what the trained denoiser gets wrong."""

from pathlib import Path

from recipes.pocket import decoder
from recipes.pocket.training import TimeBudget


def train(out: Path, budget: TimeBudget) -> bool:
    """Trains the decoder of `out / "vae"` on, with a training state of its own."""
    return decoder.train(out, budget, name="polish")
