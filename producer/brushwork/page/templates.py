"""The page's templates: Jinja2 with autoescape, and the few things they call."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from brushwork.page.assets import asset_path
from brushwork.page.views import clock, sizes

FOLDER = Path(__file__).parent / "templates"

ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.globals["asset"] = asset_path
ENVIRONMENT.filters.update(
    ago=clock.ago,
    duration=clock.duration,
    stamp=clock.stamp,
    until=clock.until,
    bytes=sizes.in_bytes,
    percent=sizes.percent,
)


def rendered(name: str, values: Mapping[str, Any]) -> str:
    """The text of a template."""
    return ENVIRONMENT.get_template(name).render(values)
