"""The template of a plug-in, which docs/plugins.md shows file by file, works as it stands."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.kinds import registry
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.interface import LoadSpec
from PIL import Image

from tests.desks import PlainDesk

DOCS = Path(__file__).parents[2] / "docs"
TEMPLATE = DOCS / "plugin_template"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The template's modules, imported from its folder."""
    monkeypatch.syspath_prepend(str(TEMPLATE))
    import brushwork_example.family
    import brushwork_example.inverter
    import brushwork_example.kind

    yield brushwork_example
    for name in [name for name in sys.modules if name.startswith("brushwork_example")]:
        del sys.modules[name]


def test_the_page_shows_every_file_of_the_template_as_it_is() -> None:
    shown = dict(
        re.findall(r"^`([\w./]+)`\n\n.*?```\w+\n(.*?)```\n", (DOCS / "plugins.md").read_text(), re.M | re.S)
    )
    files = [each for each in TEMPLATE.rglob("*") if each.is_file() and "__pycache__" not in each.parts]
    assert shown == {str(file.relative_to(TEMPLATE)): file.read_text() for file in files}


def test_its_kind_fits_beside_the_others(example: Any) -> None:
    kind = example.kind.KIND
    assert kind.name not in registry.all_kinds()
    assert kind.files == {"image": "image/*"}
    assert kind.field_label("amount") == "Amount"
    assert kind.field_label("amount", "zh") == "程度"
    assert example.family.FAMILY.kinds == (kind.name,)


def test_its_handler_inverts_a_picture(example: Any) -> None:
    model = Model.model_construct(
        name="inverter", family="inverter", source=Source(architecture="inverter"), max_batch=None
    )
    spec = LoadSpec(model, Path("nowhere"), torch.device("cpu"), torch.float32, SerialExecutor())
    handler = example.inverter.load(spec).handlers["image-inversion"]
    handler.warm_up()
    context = PlainDesk()
    red = context.give(Image.new("RGB", (8, 8), (255, 0, 0)))
    result = handler.perform(example.kind.InversionRequest(image=red, amount=1.0), context)
    assert result["mean"] == pytest.approx(2 / 3)
    assert result["image"].pil().getpixel((0, 0)) == (0, 255, 255)
