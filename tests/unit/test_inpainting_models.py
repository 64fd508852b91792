"""A denoiser that was made for inpainting does nothing else, and an entry that says otherwise is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import ModelUnavailable
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import LoadSpec

from tests.checkpoints.inpainter import inpainter


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inpainter")
    inpainter().save_pretrained(folder)
    return folder


def place(folder: Path, **entry: Any) -> LoadSpec:
    model = Model(name="inpainter", family="stable-diffusion", source=Source(folder=folder), **entry)
    return LoadSpec(model, folder, torch.device("cpu"), torch.float32, SerialExecutor(), model.kinds)


def test_it_serves_inpainting(folder: Path) -> None:
    size = {"width": 32, "height": 32}
    handlers = load(place(folder, kinds=("inpainting",), defaults=size)).handlers
    assert list(handlers) == ["inpainting"]
    handlers["inpainting"].warm_up()


def test_more_than_that_is_refused_with_what_to_write(folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r'kinds = \["inpainting"\]') as refused:
        load(place(folder))
    assert refused.value.field == "kinds"
