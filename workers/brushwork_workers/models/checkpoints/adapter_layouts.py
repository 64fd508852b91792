"""LoRA files of other layouts than diffusers reads: LoHa and LoKr of LyCORIS, and LoCon with a middle part.

Each is a product of small matrices, and is written as the product of two, exactly: the layers of peft, and
all that the worker does with them, stay those of LoRA.

LoHa (Hyeon-Woo et al., 2022) is (A1 B1) * (A2 B2), element by element. An element is a product of two sums,
of r and s terms, and so a sum of r x s terms: a matrix of rank r x s. LoKr is a Kronecker product, and
kron(W, A B) = kron(W, A) kron(I, B). If the rank would be that of the layer, the full matrix is used.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

State = dict[str, Tensor]
_LEAF = re.compile(
    r"^(?P<layer>.+)\.(?P<leaf>lora_(?:down|up|mid)\.weight|hada_[wt]\d(?:_[ab])?|lokr_[wt]\d(?:_[ab])?|alpha|"
    r"scalar|dora_scale)$"
)
# Kinds of LyCORIS that are no products of matrices added to a weight, and embeddings that A1111 bundles.
_WITHOUT_EFFECT = re.compile(
    r"\.(diff|diff_b|w_norm|b_norm|oft_blocks|oft_diag|on_input|rescale)$|^bundle_emb\."
)
KOHYA = ("lora_unet_", "lora_te")
Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class ReadableAdapter:
    """The weights of an adapter in a layout that diffusers reads.

    Args:
        weights: The weights.
        left_out: Keys that no layer can use.
        is_changed: Whether the weights differ from those of the file.
    """

    weights: State
    left_out: tuple[str, ...]
    is_changed: bool


def readable(weights: Mapping[str, Tensor]) -> ReadableAdapter:
    """Return the weights of an adapter in a layout that diffusers reads.

    Args:
        weights: The weights of the file.

    Raises:
        KeyError: A part of a layer is missing.
        RuntimeError: The parts of a layer do not fit each other.
    """
    layers: dict[str, State] = {}
    kept: State = {}
    left_out = tuple(key for key in weights if _WITHOUT_EFFECT.search(key))
    for key, weight in weights.items():
        match = _LEAF.match(key)
        if match is not None:
            layers.setdefault(match["layer"], {})[match["leaf"]] = weight
        elif key not in left_out:
            kept[key] = weight
    others = {layer: leaves for layer, leaves in layers.items() if _is_other(leaves)}
    if not others and not left_out:
        return ReadableAdapter(dict(weights), (), is_changed=False)
    kept |= {
        f"{layer}.{leaf}": weight
        for layer, leaves in layers.items()
        if layer not in others
        for leaf, weight in leaves.items()
    }
    pairs = {layer: _pair(leaves) for layer, leaves in others.items()}
    for layer, (down, up) in _of_one_rank(pairs):
        kept[f"{layer}.lora_down.weight"], kept[f"{layer}.lora_up.weight"] = down, up
        if layer.startswith(KOHYA):
            # The scale is in the weights.
            kept[f"{layer}.alpha"] = torch.tensor(float(len(down)))
    return ReadableAdapter(kept, left_out, is_changed=True)


def shaped_like(layer: torch.nn.Module | None, weight: Tensor, *, is_down: bool) -> Tensor:
    """Return a weight of an adapter in the shape that a layer of the model needs.

    Args:
        layer: The layer; None if the model has none of that name.
        weight: The weight, of rank x (inputs x kernel) or of outputs x rank.
        is_down: Whether it is the first one.
    """
    if not isinstance(layer, torch.nn.Conv2d) or weight.ndim != 2:
        return weight
    kernel = layer.kernel_size if is_down else (1, 1)
    return weight.reshape(len(weight), -1, *kernel)


def _is_other(leaves: Iterable[str]) -> bool:
    return any(leaf.startswith(("hada_", "lokr_")) or leaf == "lora_mid.weight" for leaf in leaves)


def _pair(leaves: State) -> Pair:
    """Return the two matrices of a layer whose product is what is added to its weight."""
    if "lora_mid.weight" in leaves:
        return _with_middle(leaves)
    wide = {name: leaf.float() for name, leaf in leaves.items()}
    down, up = _loha(wide) if "hada_w1_a" in wide else _lokr(wide)
    dtype = next(leaf.dtype for name, leaf in leaves.items() if name != "alpha")
    return down.to(dtype).contiguous(), (up * wide.get("scalar", torch.tensor(1.0))).to(dtype).contiguous()


def _with_middle(leaves: State) -> Pair:
    """Return the pair of a convolution whose kernel is in a third, small tensor."""
    first, middle, up = (leaves[f"lora_{part}.weight"].float() for part in ("down", "mid", "up"))
    down = torch.einsum("orkl,ri->oikl", middle, first.flatten(1))
    scale = _scale(leaves, len(down))
    return down.to(leaves["lora_down.weight"]), (up * scale).to(leaves["lora_up.weight"])


def _loha(leaves: State) -> Pair:
    first, second = (_hada(leaves, number) for number in (1, 2))
    scale = _scale(leaves, len(leaves["hada_w1_b"]))
    outputs, inputs = len(first[0]), second[1].shape[1]
    rank = first[0].shape[1] * second[0].shape[1]
    if rank >= min(outputs, inputs):
        return _full((first[0] @ first[1]) * (second[0] @ second[1]) * scale)
    up = torch.einsum("or,os->ors", first[0], second[0]).flatten(1)
    down = torch.einsum("ri,si->rsi", first[1], second[1]).flatten(0, 1)
    return down, up * scale


def _hada(leaves: State, number: int) -> Pair:
    """Return one factor of LoHa as a pair: outputs x rank, and rank x (inputs x kernel)."""
    outputs, inputs = leaves[f"hada_w{number}_a"], leaves[f"hada_w{number}_b"]
    kernel = leaves.get(f"hada_t{number}")
    if kernel is None:
        return outputs, inputs
    # The names are turned around in this form: rank x outputs.
    return outputs.T, torch.einsum("pqkl,qi->pikl", kernel, inputs).flatten(1)


def _lokr(leaves: State) -> Pair:
    outer, inner = _kron_factor(leaves, 1), _kron_factor(leaves, 2)
    ranks = [leaves[name].shape[0] for name in ("lokr_w1_b", "lokr_w2_b") if name in leaves]
    scale = _scale(leaves, ranks[-1]) if ranks else 1.0
    matrix = _product(outer)
    if isinstance(inner, Tensor):
        return _full(torch.kron(matrix, inner) * scale)
    outputs, inputs = inner
    rows, columns = matrix.shape
    is_narrow = columns <= rows
    rank = min(rows, columns) * outputs.shape[1]
    if rank >= min(rows * len(outputs), columns * inputs.shape[1]):
        return _full(torch.kron(matrix, outputs @ inputs) * scale)
    if is_narrow:
        return torch.kron(torch.eye(columns), inputs), torch.kron(matrix, outputs) * scale
    return torch.kron(matrix, inputs), torch.kron(torch.eye(rows), outputs) * scale


def _kron_factor(leaves: State, number: int) -> Tensor | Pair:
    """Return a factor of LoKr as a matrix or as a pair whose product it is."""
    if (whole := leaves.get(f"lokr_w{number}")) is not None:
        return whole.flatten(1)
    outputs, inputs = leaves[f"lokr_w{number}_a"], leaves[f"lokr_w{number}_b"]
    if (kernel := leaves.get(f"lokr_t{number}")) is not None:
        return outputs.T, torch.einsum("pqkl,qi->pikl", kernel, inputs).flatten(1)
    return outputs, inputs


def _product(factor: Tensor | Pair) -> Tensor:
    return factor if isinstance(factor, Tensor) else factor[0] @ factor[1]


def _full(matrix: Tensor) -> Pair:
    """Return a pair whose product is this matrix."""
    outputs, inputs = matrix.shape
    if outputs <= inputs:
        return matrix, torch.eye(outputs)
    return torch.eye(inputs), matrix


def _scale(leaves: Mapping[str, Tensor], rank: int) -> float:
    """Return the factor of a layer. Without `alpha` it is 1."""
    return float(leaves["alpha"]) / rank if "alpha" in leaves else 1.0


def _of_one_rank(pairs: Mapping[str, Pair]) -> Iterable[tuple[str, Pair]]:
    """Yield the pairs; those without a scale of their own are filled up with zeros to the same rank.

    diffusers gives layers of different ranks the same `alpha` if the file has none.
    """
    largest = max((len(down) for layer, (down, _) in pairs.items() if not layer.startswith(KOHYA)), default=0)
    for layer, (down, up) in pairs.items():
        missing = 0 if layer.startswith(KOHYA) else largest - len(down)
        if not missing:
            yield layer, (down, up)
            continue
        more_down = torch.zeros(missing, *down.shape[1:], dtype=down.dtype)
        more_up = torch.zeros(len(up), missing, *up.shape[2:], dtype=up.dtype)
        yield layer, (torch.cat([down, more_down]), torch.cat([up, more_up], dim=1))
