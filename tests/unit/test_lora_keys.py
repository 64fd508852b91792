"""Layouts of LoRA files, keys that fit no layer, and weights that are not finite."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import AddOn, Model, Source
from brushwork_schemas.errors import ModelUnavailable, NotFinite
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import FoundAddOn, Handler, LoadSpec
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.checkpoints import lora
from tests.desks import PlainDesk
from tests.gathering import batcher, together
from tests.tiny_models import save_stable_diffusion, stable_diffusion

pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config` attribute:UserWarning")
State = dict[str, Tensor]
FILE = "pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layouts")
    save_stable_diffusion(folder / "model")
    lora.save(folder / "both", stable_diffusion(), seed=1)
    lora.save(folder / "denoiser", stable_diffusion(), seed=2, text=False)
    # Without the scale that diffusers writes into the file: it is 1.
    for name in ("both", "denoiser"):
        save_file(load_file(folder / name / FILE), folder / name / FILE)
    return folder


def handler(folder: Path, names: list[str], calls: ModelExecutor | None = None) -> Handler:
    add_ons = {
        name: FoundAddOn(
            AddOn(name=name, type="lora", family="stable-diffusion", source=Source(folder=folder / name)),
            folder / name,
        )
        for name in names
    }
    model = Model(name="tiny", family="stable-diffusion", source=Source(folder=folder / "model"))
    executor, device = calls or SerialExecutor(), torch.device("cpu")
    kinds = ("text-to-image",)
    spec = LoadSpec(model, folder / "model", device, torch.float32, executor, kinds, add_ons)
    return load(spec).handlers["text-to-image"]


def pixels(of: Handler, desk: PlainDesk | None = None, *names: str, weight: float = 1.0) -> np.ndarray:
    asked = {"prompt": "a red circle", "width": 32, "height": 32, "num_inference_steps": 2}
    chosen = [{"name": name, "weight": weight} for name in names]
    request = TextToImageRequest(**asked, guidance_scale=2.0, seed=5, loras=chosen)
    made = of.perform(request, desk or PlainDesk())
    return np.asarray(made["images"][0].pil(), dtype=float)


def written(folder: Path, source: str, change: Callable[[str, Tensor], tuple[str, Tensor]]) -> None:
    folder.mkdir()
    state = load_file(folder.parent / source / FILE)
    save_file(dict(change(key, weight.contiguous()) for key, weight in state.items()), folder / FILE)


def peft(key: str) -> str:
    return f"base_model.model.{key.split('.', 1)[1]}"


def attention_processor(key: str) -> str:
    for letter, way in (("A", "down"), ("B", "up")):
        for part in ("to_q", "to_k", "to_v"):
            key = key.replace(f".{part}.lora_{letter}.", f".processor.{part}_lora.{way}.")
    return key


def kohya(key: str) -> str:
    component, rest = key.split(".", 1)
    layer, _, letter = rest.rpartition(".lora_")
    way = {"A": "lora_down", "B": "lora_up"}[letter[0]]
    start = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_"}[component]
    return f"{start}{layer.replace('.', '_')}.{way}.weight"


LAYOUTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "peft": ("denoiser", peft),
    "peft with both components": ("both", peft),
    "peft with the adapter's name": (
        "denoiser",
        lambda key: peft(key).replace(".weight", ".default.weight"),
    ),
    "peft with the component": ("both", lambda key: f"base_model.model.{key}"),
    "peft of transformers 4": (
        "both",
        lambda key: peft(key).replace("model.encoder.", "model.text_model.encoder."),
    ),
    "diffusers, lora.down": (
        "denoiser",
        lambda key: key.replace(".lora_A.", ".lora.down.").replace(".lora_B.", ".lora.up."),
    ),
    "attention processors": ("denoiser", attention_processor),
    "kohya": ("both", kohya),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_picture(folder: Path, tmp_path: Path, layout: str) -> None:
    source, rename = LAYOUTS[layout]
    own = folder / layout.replace(" ", "-").replace("'", "").replace(",", "")
    written(own, source, lambda key, weight: (rename(key), weight))
    served, desk = handler(folder, [source, own.name]), PlainDesk()
    plain, expected = pixels(served), pixels(served, None, source)
    assert np.abs(plain - expected).mean() > 1
    assert np.abs(pixels(served, desk, own.name) - expected).max() <= 0.6
    assert desk.warnings == []


@pytest.mark.parametrize(
    ("config", "weight"),
    [
        ({"r": 4, "lora_alpha": 8}, 2.0),
        ({"r": 4, "lora_alpha": 2}, 0.5),
        ({"r": 4, "lora_alpha": 4, "use_rslora": True}, 2.0),
    ],
)
def test_the_scale_of_peft_is_in_its_own_file(folder: Path, config: dict[str, Any], weight: float) -> None:
    own = folder / f"scaled-{weight}-{len(config)}"
    written(own, "denoiser", lambda key, tensor: (peft(key), tensor))
    (own / "adapter_config.json").write_text(json.dumps(config))
    served = handler(folder, ["denoiser", own.name])
    expected = pixels(served, None, "denoiser", weight=weight)
    assert np.abs(pixels(served, None, own.name) - expected).max() <= 0.6


class TestUnusedKeys:
    def test_half_of_the_keys_fit_nothing(self, folder: Path) -> None:
        def moved(key: str, weight: Tensor) -> tuple[str, Tensor]:
            return key.replace("up_blocks.0", "up_blocks.7"), weight

        written(folder / "half", "denoiser", moved)
        served, desk = handler(folder, ["half"]), PlainDesk()
        assert np.abs(pixels(served, desk, "half") - pixels(served)).mean() > 0
        (warning,) = desk.warnings
        state = load_file(folder / "half" / FILE)
        unused = [key for key in state if "up_blocks.7" in key]
        assert (warning.code, warning.field) == ("lora_keys_unused", "loras")
        assert warning.parameters["adapter"] == "half"
        assert (warning.parameters["unused"], warning.parameters["total"]) == (len(unused), len(state))
        assert set(warning.parameters["keys"][:5]) <= set(unused)  # type: ignore[index]

    @pytest.mark.parametrize("layout", ["peft", "attention processors", "kohya", "diffusers, lora.down"])
    def test_in_every_layout(self, folder: Path, layout: str) -> None:
        source, rename = LAYOUTS[layout]
        own = folder / f"odd-{layout[:4]}"

        def moved(key: str, weight: Tensor) -> tuple[str, Tensor]:
            return rename(key.replace("transformer_blocks.0.attn2", "transformer_blocks.3.attn2")), weight

        written(own, source, moved)
        desk = PlainDesk()
        pixels(handler(folder, [own.name]), desk, own.name)
        assert [each.code for each in desk.warnings] == ["lora_keys_unused"]

    def test_none_fits(self, folder: Path) -> None:
        written(folder / "foreign", "denoiser", lambda key, weight: (key.replace("blocks", "rooms"), weight))
        with pytest.raises(ModelUnavailable, match="foreign does not fit tiny"):
            pixels(handler(folder, ["foreign"]), None, "foreign")

    def test_a_weight_of_0_has_no_effect(self, folder: Path) -> None:
        desk = PlainDesk()
        pixels(handler(folder, ["both"]), desk, "both", weight=0.0)
        assert [(each.code, each.parameters) for each in desk.warnings] == [("lora_off", {"adapter": "both"})]


class TestNotFinite:
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_damaged_adapter_fails_its_job_alone(self, folder: Path, value: float) -> None:
        def spoiled(key: str, weight: Tensor) -> tuple[str, Tensor]:
            return key, weight.index_fill(
                0, torch.tensor([0]), value
            ) if "attn2.to_v.lora_B" in key else weight

        own = folder / f"damaged-{value}"
        written(own, "both", spoiled)
        with batcher() as calls:
            served = handler(folder, ["both", own.name], calls)

            def damaged() -> NotFinite:
                with pytest.raises(NotFinite) as raised:
                    pixels(served, None, own.name)
                return raised.value

            jobs: list[Callable[[], Any]] = [
                lambda: pixels(served, None, "both"),
                damaged,
                lambda: pixels(served),
                damaged,
            ]
            with_other, error, plain, _ = together(calls, jobs)
        alone = handler(folder, ["both"])
        assert f"the adapter {own.name} of tiny are not finite" in error.message
        assert (error.code, error.fault, error.field) == ("not_finite", "operator", "loras")
        assert np.abs(with_other - pixels(alone, None, "both")).max() <= 1
        assert np.abs(plain - pixels(alone)).max() <= 1

    def test_an_adapter_that_overflows_is_the_request_s_fault(self, folder: Path) -> None:
        written(folder / "huge", "both", lambda key, weight: (key, weight * 1e25))
        with batcher() as calls:
            served = handler(folder, ["both", "huge"], calls)

            def huge() -> NotFinite:
                with pytest.raises(NotFinite) as raised:
                    pixels(served, None, "huge", weight=4.0)
                return raised.value

            jobs: list[Callable[[], Any]] = [huge, lambda: pixels(served)]
            error, plain = together(calls, jobs)
        assert (error.fault, error.field) == ("caller", "loras")
        assert np.abs(plain - pixels(handler(folder, []))).max() <= 1
