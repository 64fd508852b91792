"""The pocket models: their world, their grammar, the recipe that trains them and the weights that ship."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
