"""A plug-in for brushwork: the kind `image-inversion` and a family that serves it."""

from pathlib import Path

CATALOGUE = Path(__file__).parent / "catalogue.toml"
