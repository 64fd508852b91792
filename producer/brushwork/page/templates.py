"""The templates of the page: Jinja2 with autoescape, and the functions that templates call."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brushwork_schemas.kinds.view import in_percent, localized
from brushwork_schemas.wording.translation import translated
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from brushwork.page.assets import asset_path
from brushwork.page.views import clock, sizes
from brushwork.page.views.kind_words import (
    OPTION_WORDS,
    class_name,
    error_name,
    kind_action,
    kind_title,
    with_class_names,
)

FOLDER = Path(__file__).parent / "templates"

ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.globals.update(asset=asset_path, option_words=OPTION_WORDS)
ENVIRONMENT.filters.update(
    ago=clock.ago,
    duration=clock.duration,
    stamp=clock.stamp,
    until=clock.until,
    bytes=sizes.in_bytes,
    percent=in_percent,
    value=sizes.in_digits,
    localized=localized,
    read_in=translated,
    class_name=class_name,
    with_class_names=with_class_names,
    error_name=error_name,
    kind_title=kind_title,
    kind_action=kind_action,
)


def rendered(name: str, values: Mapping[str, Any]) -> str:
    """Return a template filled with values."""
    return ENVIRONMENT.get_template(name).render(values)
