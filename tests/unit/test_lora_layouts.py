"""LoCon, LoHa and LoKr files: the same pictures as weights that are changed by their definition."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import AddOn, Model, Source
from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import FoundAddOn, LoadSpec
from brushwork_workers.models.checkpoints.adapter_layouts import readable
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.desks import PlainDesk
from tests.tiny_models import stable_diffusion

pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config` attribute:UserWarning")
State = dict[str, Tensor]
# Linear layers, convolutions with kernels of 1 and 3, and a layer of the text encoder.
LAYERS = (
    "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
    "down_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj",
    "down_blocks.1.attentions.0.proj_in",
    "down_blocks.1.resnets.0.conv1",
    "mid_block.resnets.0.conv2",
)
TEXT = "encoder.layers.1.self_attn.q_proj"
RANK, ALPHA = 2, 6.0


def numbers(*shape: int) -> Tensor:
    return 0.25 * torch.randn(*shape)


def split(size: int) -> tuple[int, int]:
    factor = next(number for number in (4, 3, 2, 1) if size % number == 0)
    return factor, size // factor


def locon(outputs: int, inputs: int, kernel: tuple[int, ...]) -> tuple[State, Tensor]:
    down, up = numbers(RANK, inputs, *kernel), numbers(outputs, RANK, *(1 for _ in kernel))
    delta = up.flatten(1) @ down.flatten(1) * ALPHA / RANK
    return {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(ALPHA)}, delta


def locon_with_middle(outputs: int, inputs: int, kernel: tuple[int, ...]) -> tuple[State, Tensor]:
    if kernel in ((), (1, 1)):
        return locon(outputs, inputs, kernel)
    down, up = numbers(RANK, inputs, 1, 1), numbers(outputs, RANK, 1, 1)
    middle = numbers(RANK, RANK, *kernel)
    delta = torch.einsum("or,rskl,si->oikl", up[:, :, 0, 0], middle, down[:, :, 0, 0]) * ALPHA / RANK
    leaves = {"lora_down.weight": down, "lora_up.weight": up, "lora_mid.weight": middle}
    return {**leaves, "alpha": torch.tensor(ALPHA)}, delta


def loha(outputs: int, inputs: int, kernel: tuple[int, ...], rank: int = RANK) -> tuple[State, Tensor]:
    columns = inputs * int(np.prod(kernel, dtype=int))
    leaves = {
        f"hada_w{number}_{side}": numbers(*shape)
        for number in (1, 2)
        for side, shape in (("a", (outputs, rank)), ("b", (rank, columns)))
    }
    first, second = (leaves[f"hada_w{number}_a"] @ leaves[f"hada_w{number}_b"] for number in (1, 2))
    return {**leaves, "alpha": torch.tensor(ALPHA)}, first * second * ALPHA / rank


def loha_of_large_rank(outputs: int, inputs: int, kernel: tuple[int, ...]) -> tuple[State, Tensor]:
    return loha(outputs, inputs, kernel, rank=16)


def loha_with_middle(outputs: int, inputs: int, kernel: tuple[int, ...]) -> tuple[State, Tensor]:
    if kernel in ((), (1, 1)):
        return loha(outputs, inputs, kernel)
    leaves: State = {}
    for number in (1, 2):
        leaves[f"hada_t{number}"] = numbers(RANK, RANK, *kernel)
        leaves[f"hada_w{number}_a"] = numbers(RANK, outputs)
        leaves[f"hada_w{number}_b"] = numbers(RANK, inputs)
    first, second = (
        torch.einsum(
            "ijkl,jr,ip->prkl",
            leaves[f"hada_t{number}"],
            leaves[f"hada_w{number}_b"],
            leaves[f"hada_w{number}_a"],
        )
        for number in (1, 2)
    )
    return {**leaves, "alpha": torch.tensor(ALPHA)}, first * second * ALPHA / RANK


def lokr(outputs: int, inputs: int, kernel: tuple[int, ...]) -> tuple[State, Tensor]:
    (rows, more_rows), (columns, more_columns) = split(outputs), split(inputs)
    width = more_columns * int(np.prod(kernel, dtype=int))
    first, second = numbers(rows, columns), (numbers(more_rows, RANK), numbers(RANK, width))
    delta = torch.kron(first, second[0] @ second[1]) * ALPHA / RANK
    leaves = {"lokr_w1": first, "lokr_w2_a": second[0], "lokr_w2_b": second[1]}
    return {**leaves, "alpha": torch.tensor(ALPHA)}, delta


def lokr_of_two_pairs(outputs: int, inputs: int, kernel: tuple[int, ...]) -> tuple[State, Tensor]:
    (rows, _), (columns, _) = split(outputs), split(inputs)
    leaves, _ = lokr(outputs, inputs, kernel)
    del leaves["lokr_w1"]
    leaves |= {"lokr_w1_a": numbers(rows, RANK), "lokr_w1_b": numbers(RANK, columns)}
    first = leaves["lokr_w1_a"] @ leaves["lokr_w1_b"]
    second = leaves["lokr_w2_a"] @ leaves["lokr_w2_b"]
    return leaves, torch.kron(first, second) * ALPHA / RANK


def lokr_of_full_matrices(outputs: int, inputs: int, kernel: tuple[int, ...]) -> tuple[State, Tensor]:
    (rows, more_rows), (columns, more_columns) = split(outputs), split(inputs)
    first, second = numbers(rows, columns), numbers(more_rows, more_columns, *kernel)
    # Of two full matrices, `alpha` means nothing.
    leaves = {"lokr_w1": first, "lokr_w2": second, "alpha": torch.tensor(ALPHA)}
    return leaves, torch.kron(first, second.flatten(1))


SORTS: Mapping[str, Callable[[int, int, tuple[int, ...]], tuple[State, Tensor]]] = {
    "LoCon": locon,
    "LoCon-with-middle": locon_with_middle,
    "LoHa": loha,
    "LoHa-of-large-rank": loha_of_large_rank,
    "LoHa-with-middle": loha_with_middle,
    "LoKr": lokr,
    "LoKr-of-two-pairs": lokr_of_two_pairs,
    "LoKr-of-full-matrices": lokr_of_full_matrices,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters")
    pipeline: Any = stable_diffusion()
    pipeline.save_pretrained(folder / "model")
    return folder


def handler(folder: Path, model: str, *names: str) -> Any:
    entry = Model(name="tiny", family="stable-diffusion", source=Source(folder=folder / model))
    found = {}
    for name in names:
        source = Source(file=folder / f"{name}.safetensors")
        found[name] = FoundAddOn(
            AddOn(name=name, type="lora", family="stable-diffusion", source=source), folder
        )
    device = torch.device("cpu")
    kinds = ("text-to-image",)
    spec = LoadSpec(entry, folder / model, device, torch.float32, SerialExecutor(), kinds, found)
    return load(spec).handlers["text-to-image"]


def pixels(of: Any, *names: str, desk: PlainDesk | None = None) -> np.ndarray:
    asked = {"prompt": "a red circle", "width": 32, "height": 32, "num_inference_steps": 2}
    request = TextToImageRequest(
        **asked, guidance_scale=2.0, seed=5, loras=[{"name": name} for name in names]
    )
    made = of.perform(request, desk or PlainDesk())
    return np.asarray(made["images"][0].pil(), dtype=float)


def written(sort: str, folder: Path) -> Any:
    """The file of an adapter, and the pipeline whose weights are changed as the adapter says."""
    torch.manual_seed(1)
    pipeline: Any = stable_diffusion()
    state: State = {}
    for name in LAYERS:
        _change(pipeline.unet, name, f"lora_unet_{name}", SORTS[sort], state)
    _change(pipeline.text_encoder, TEXT, f"lora_te_text_model_{TEXT}", SORTS[sort], state)
    save_file(state, folder / f"{sort}.safetensors")
    return pipeline


def _change(module: nn.Module, name: str, key: str, sort: Any, state: State) -> None:
    weight: Any = module.get_submodule(name).weight
    leaves, delta = sort(weight.shape[0], weight.shape[1], tuple(weight.shape[2:]))
    weight.data += delta.reshape(weight.shape)
    flat = key.replace(".", "_")
    state.update({f"{flat}.{leaf}": tensor.contiguous().clone() for leaf, tensor in leaves.items()})


@pytest.mark.parametrize("kernel", [(), (1, 1), (3, 3)])
@pytest.mark.parametrize("sort", SORTS)
def test_every_sort_of_adapter_is_read_by_its_definition(sort: str, kernel: tuple[int, ...]) -> None:
    torch.manual_seed(4)
    for outputs, inputs in ((32, 48), (48, 32), (7, 10)):
        leaves, delta = SORTS[sort](outputs, inputs, kernel)
        found = readable({f"lora_unet_x.{leaf}": tensor for leaf, tensor in leaves.items()}).weights
        down, up, alpha = (
            found[f"lora_unet_x.{leaf}"] for leaf in ("lora_down.weight", "lora_up.weight", "alpha")
        )
        product = up.flatten(1) @ down.flatten(1) * alpha / len(down)
        assert torch.allclose(product, delta.reshape(outputs, -1), atol=1e-5)
        assert len(down) <= min(outputs, inputs * int(np.prod(kernel, dtype=int)))


@pytest.mark.parametrize("sort", ["LoCon-with-middle", "LoHa-of-large-rank", "LoKr"])
def test_an_adapter_changes_the_picture_by_its_definition(sort: str, folder: Path) -> None:
    changed = written(sort, folder)
    changed.save_pretrained(folder / f"changed {sort}")
    expected = pixels(handler(folder, f"changed {sort}"))
    served, desk = handler(folder, "model", sort), PlainDesk()
    plain = pixels(served)
    assert np.abs(plain - expected).mean() > 1
    assert np.abs(pixels(served, sort, desk=desk) - expected).max() <= 1
    assert desk.warnings == []
    assert np.array_equal(pixels(served), plain)


def test_keys_that_no_layer_can_use_are_told_and_do_no_harm(folder: Path) -> None:
    name = "with-others"
    torch.manual_seed(2)
    state: State = {}
    _change(stable_diffusion().unet, LAYERS[0], f"lora_unet_{LAYERS[0]}", lokr, state)  # type: ignore[attr-defined]
    save_file(state, folder / "alone.safetensors")
    unusable = ("lora_unet_conv_in.diff", "lora_unet_x.oft_blocks", "bundle_emb.style.string_to_param.*")
    save_file({**state, **{key: torch.zeros(2) for key in unusable}}, folder / f"{name}.safetensors")
    served, desk = handler(folder, "model", name, "alone"), PlainDesk()
    assert np.array_equal(pixels(served, name, desk=desk), pixels(served, "alone"))
    [warning] = desk.warnings
    assert warning.code == "lora_keys_unused"
    assert all(key in str(warning.model_dump()) for key in unusable)


def test_a_file_of_which_nothing_can_be_used_is_refused(folder: Path) -> None:
    save_file({"lora_unet_conv_in.diff": torch.zeros(2)}, folder / "nothing.safetensors")
    with pytest.raises(ModelUnavailable, match="none of its keys"):
        pixels(handler(folder, "model", "nothing"), "nothing")


def test_layers_without_a_scale_get_one_rank() -> None:
    torch.manual_seed(3)
    sizes = {"transformer.a.to_q": (8, 12), "transformer.a.to_k": (16, 24)}
    made = {layer: lokr_of_full_matrices(*size, ()) for layer, size in sizes.items()}
    state = {
        f"{layer}.{leaf}": tensor
        for layer, (leaves, _) in made.items()
        for leaf, tensor in leaves.items()
        if leaf != "alpha"
    }
    found = readable(state).weights
    assert {len(found[f"{layer}.lora_down.weight"]) for layer in sizes} == {16}
    for layer, (_, delta) in made.items():
        product = found[f"{layer}.lora_up.weight"] @ found[f"{layer}.lora_down.weight"]
        assert torch.allclose(product, delta, atol=1e-6)


def test_a_file_that_diffusers_reads_itself_is_not_touched() -> None:
    state = {"lora_unet_x.lora_down.weight": torch.ones(2, 3), "lora_unet_x.lora_up.weight": torch.ones(3, 2)}
    assert not readable(state).is_changed
