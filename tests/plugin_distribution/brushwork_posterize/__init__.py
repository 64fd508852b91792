"""A plug-in for brushwork: the kind `image-posterization`, and the families `posterizer` and `brightness`."""

from pathlib import Path

CATALOGUE = Path(__file__).parent / "catalogue.toml"
