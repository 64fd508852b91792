"""Each family of diffusion models in process: half precision, previews, shared runs, arguments of its own."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.families.diffusion.arguments import arguments_of
from brushwork_workers.families.diffusion.loading import load, read
from brushwork_workers.interface import Handler, LoadSpec

from tests import tiny_pipelines
from tests.checkpoints import pixart_sigma, qwen_image, sana, stable_diffusion
from tests.desks import PlainDesk
from tests.equality import assert_equals
from tests.stops import Going
from tests.upstream_generation import Upstream

Made = Callable[[], Any]
# Of the families that tests/unit/test_gathered_pipelines.py does not know, with the side of their pictures.
NEWER: dict[str, tuple[Made, int]] = {
    "pixart-sigma": (pixart_sigma.pixart_sigma, 256),
    "sana": (sana.sana, 512),
    "qwen-image": (qwen_image.qwen_image, 32),
}
OLDER: dict[str, tuple[Made, int]] = {
    "stable-diffusion": (tiny_pipelines.stable_diffusion, 32),
    "stable-diffusion-xl": (tiny_pipelines.stable_diffusion_xl, 32),
    "stable-diffusion-3": (tiny_pipelines.stable_diffusion_3, 32),
    "flux": (tiny_pipelines.flux, 32),
}
EVERY = OLDER | NEWER


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("families")
    for name, (made, _) in EVERY.items():
        made().save_pretrained(folder / name)
    return {name: folder / name for name in EVERY}


def place(
    folder: Path,
    family: str,
    calls: ModelExecutor | None = None,
    dtype: torch.dtype = torch.float32,
    **entry: Any,
) -> LoadSpec:
    model = Model(name="tiny", family=family, source=Source(folder=folder), **entry)
    return LoadSpec(model, folder, torch.device("cpu"), dtype, calls or SerialExecutor(), ("text-to-image",))


def handler(*args: Any, **kwargs: Any) -> Handler:
    return load(place(*args, **kwargs)).handlers["text-to-image"]


def asked(family: str, **changes: Any) -> dict[str, Any]:
    side = EVERY[family][1]
    plain = {"prompt": "a red circle", "width": side, "height": side, "num_inference_steps": 2}
    return {**plain, "guidance_scale": 2.5, "seed": 1, **changes}


def made(handler: Handler, request: dict[str, Any], context: PlainDesk | None = None) -> Any:
    answer = handler.perform(TextToImageRequest.model_validate(request), context or PlainDesk())
    return answer["images"][0].pil()


# Upstream loads no Stable Diffusion 3 without its third text encoder, unless it is told.
LOADING = {"stable-diffusion-3": {"text_encoder_3": None, "tokenizer_3": None}}


# diffusers' own pipeline says so of what it does itself.
@pytest.mark.filterwarnings("ignore:`upcast_vae` is deprecated:FutureWarning")
@pytest.mark.parametrize(
    ("family", "dtype"),
    [*((family, torch.bfloat16) for family in EVERY), ("stable-diffusion-xl", torch.float16)],
    ids=str,
)
def test_in_half_precision_it_gives_what_diffusers_gives(
    folders: dict[str, Path], family: str, dtype: torch.dtype
) -> None:
    request = asked(family)
    served = made(handler(folders[family], family, dtype=dtype), request)
    upstream = Upstream(folders[family], family, dtype=dtype, **LOADING.get(family, {}))
    assert_equals(served, upstream.pictures(request)[0])


@pytest.fixture
def runs() -> Counter[tuple[str, int]]:
    return Counter()


@pytest.fixture
def calls(runs: Counter[tuple[str, int]]) -> Iterator[Batcher]:
    batcher = Batcher(64, 10**9, on_batch=lambda ran: runs.update([(ran.options.part, len(ran.batch.calls))]))
    yield batcher
    batcher.close()


@pytest.mark.parametrize("family", NEWER)
def test_all_that_is_heavy_is_gathered(
    folders: dict[str, Path],
    family: str,
    calls: Batcher,
    runs: Counter[tuple[str, int]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    serving = handler(folders[family], family, calls)

    def job(seed: int) -> Any:
        with calls.job(Going(), model="tiny"):
            return made(serving, asked(family, seed=seed, num_inference_steps=4))

    with caplog.at_level(logging.INFO), ThreadPoolExecutor(6) as threads:
        pictures = list(threads.map(job, range(6)))
    assert {part for part, _ in runs} == {"text_encoder", "transformer", "vae"}
    assert max(number for part, number in runs if part == "transformer") > 1
    assert "cannot share a batch" not in caplog.text
    assert len({picture.tobytes() for picture in pictures}) == 6


@pytest.mark.parametrize("family", NEWER)
def test_previews_are_seen_and_change_nothing(folders: dict[str, Path], family: str) -> None:
    serving, context = handler(folders[family], family), PlainDesk(watched=True)
    watched = made(serving, asked(family), context)
    assert context.steps == [(1, 2), (2, 2)]
    assert [preview.size for preview in context.previews] == [(min(256, EVERY[family][1]),) * 2] * 2
    assert all(np.asarray(preview).std() > 1 for preview in context.previews)
    assert watched.tobytes() == made(serving, asked(family)).tobytes()


def test_a_safety_checker_is_left_out_where_the_entry_says_so(tmp_path: Path) -> None:
    folder = stable_diffusion.save(tmp_path)
    assert read(place(folder, "stable-diffusion")).safety_checker is not None
    without = read(place(folder, "stable-diffusion", safety_checker=False))
    assert without.safety_checker is None
    assert without.config.requires_safety_checker is False


def pipeline(**config: Any) -> Any:
    """As far as `arguments_of` looks."""
    encoder = SimpleNamespace(config=SimpleNamespace(num_hidden_layers=12))
    return SimpleNamespace(
        transformer=SimpleNamespace(config=SimpleNamespace(**config)), text_encoder=encoder
    )


def arguments(family: str, of: Any, **changes: Any) -> dict[str, Any]:
    request = TextToImageRequest.model_validate(
        {"prompt": "a star", "num_inference_steps": 4, "guidance_scale": 3.0, **changes}
    )
    return arguments_of(request, family, of)


def test_a_distilled_flux_takes_shorter_prompts() -> None:
    assert arguments("flux", pipeline(guidance_embeds=False))["max_sequence_length"] == 256
    assert "max_sequence_length" not in arguments("flux", pipeline(guidance_embeds=True))


def test_qwen_is_guided_only_against_a_negative_prompt() -> None:
    plain = pipeline(guidance_embeds=False)
    assert arguments("qwen-image", plain)["negative_prompt"] == " "
    assert arguments("qwen-image", plain, negative_prompt="dark")["negative_prompt"] == "dark"
    unguided = arguments("qwen-image", plain, guidance_scale=1.0)
    assert (unguided["true_cfg_scale"], unguided["negative_prompt"]) == (1.0, None)
    distilled = arguments("qwen-image", pipeline(guidance_embeds=True))
    assert (distilled["guidance_scale"], distilled["true_cfg_scale"]) == (3.0, 1.0)


def test_some_layers_have_to_be_left() -> None:
    assert arguments("stable-diffusion", pipeline(), clip_skip=11)["clip_skip"] == 11
    few = pipeline()
    few.text_encoder.config.num_hidden_layers = 8
    with pytest.raises(InvalidRequest, match=r"cannot skip 8 layers, .* has 8") as caught:
        arguments("stable-diffusion-3", few, clip_skip=8)
    assert caught.value.field == "clip_skip"
