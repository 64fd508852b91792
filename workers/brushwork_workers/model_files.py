"""The same under its earlier name."""

from pathlib import Path

from brushwork_workers.models.location import locate
from brushwork_workers.models.revision import revision, versions

PACKAGED = Path(__file__).parent / "pocket" / "weights"

__all__ = ["PACKAGED", "locate", "revision", "versions"]
