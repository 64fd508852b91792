"""Checkpoints in their original layouts: diffusers' rules for reading them, turned around."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

State = dict[str, Tensor]
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_UNET = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def unet(state: Mapping[str, Tensor], layers_per_block: int) -> State:
    """The UNet of Stable Diffusion 1, 2 and XL."""
    per_block = layers_per_block + 1
    with_attention = {match[1] for key in state if (match := re.match(r"up_blocks\.(\d+)\.attentions", key))}

    def renamed(key: str) -> str:
        for ours, theirs in _UNET.items():
            if key.startswith(f"{ours}."):
                return theirs + key.removeprefix(ours)
        side, block, part, index, rest = _split(key)
        if side == "mid":
            number = 1 if part == "attentions" else 2 * int(index)
            return f"middle_block.{number}.{_resnet(part, rest)}"
        start = int(block) * per_block
        if part == "downsamplers":
            return f"input_blocks.{start + per_block}.0.op.{rest.removeprefix('conv.')}"
        if part == "upsamplers":
            place = 2 if block in with_attention else 1
            return f"output_blocks.{start + per_block - 1}.{place}.{rest}"
        number = start + int(index) + (side == "down")
        blocks = "input_blocks" if side == "down" else "output_blocks"
        return f"{blocks}.{number}.{int(part == 'attentions')}.{_resnet(part, rest)}"

    return {f"model.diffusion_model.{renamed(key)}": tensor for key, tensor in state.items()}


def vae(state: Mapping[str, Tensor], prefix: str = "first_stage_model.") -> State:
    """The VAE of all four families."""
    number = len({key.split(".")[2] for key in state if key.startswith("decoder.up_blocks.")})
    made: State = {}
    for key, tensor in state.items():
        renamed = key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        renamed = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", renamed)
        renamed = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", renamed)
        renamed = re.sub(r"up_blocks\.(\d+)\.", lambda match: f"up.{number - 1 - int(match[1])}.", renamed)
        renamed = renamed.replace(".resnets.", ".block.").replace(".upsamplers.0.", ".upsample.")
        renamed = re.sub(r"mid_block\.block\.(\d)", lambda match: f"mid.block_{int(match[1]) + 1}", renamed)
        if "mid_block.attentions.0." in renamed:
            renamed = renamed.replace("mid_block.attentions.0.", "mid.attn_1.")
            for ours, theirs in _ATTENTION.items():
                renamed = renamed.replace(f".{ours}.", f".{theirs}.")
            if tensor.ndim == 2:
                tensor = tensor[:, :, None, None]
        made[prefix + renamed] = tensor
    return made


def clip(state: Mapping[str, Tensor], prefix: str) -> State:
    """A CLIP encoder as transformers 4 names its layers."""
    outer = ("text_model.", "text_projection.")
    return {
        prefix + (key if key.startswith(outer) else f"text_model.{key}"): tensor
        for key, tensor in state.items()
    }


def open_clip(state: Mapping[str, Tensor], prefix: str) -> State:
    """A CLIP encoder in the layout of OpenCLIP."""
    plain = {key.removeprefix("text_model."): tensor for key, tensor in state.items()}
    made = {
        "positional_embedding": plain.pop("embeddings.position_embedding.weight"),
        "token_embedding.weight": plain.pop("embeddings.token_embedding.weight"),
    }
    if "text_projection.weight" in plain:
        made["text_projection"] = plain.pop("text_projection.weight").T.contiguous()
    for kind in ("weight", "bias"):
        made[f"ln_final.{kind}"] = plain.pop(f"final_layer_norm.{kind}")
    for number in sorted({key.split(".")[2] for key in plain}):
        ours, theirs = f"encoder.layers.{number}.", f"transformer.resblocks.{number}."
        for kind in ("weight", "bias"):
            parts = [plain.pop(f"{ours}self_attn.{letter}_proj.{kind}") for letter in "qkv"]
            made[f"{theirs}attn.in_proj_{kind}"] = torch.cat(parts)
            for name, other in _OPEN_CLIP.items():
                made[f"{theirs}{other}.{kind}"] = plain.pop(f"{ours}{name}.{kind}")
    assert not plain, plain.keys()
    return {prefix + key: tensor for key, tensor in made.items()}


def t5(state: Mapping[str, Tensor]) -> State:
    """The T5 encoder of Stable Diffusion 3 and FLUX."""
    return {f"text_encoders.t5xxl.transformer.{key}": tensor for key, tensor in state.items()}


def stable_diffusion_3_transformer(
    state: Mapping[str, Tensor], prefix: str = "model.diffusion_model."
) -> State:
    """The transformer of Stable Diffusion 3."""
    left = dict(state)
    made = {
        "pos_embed": left.pop("pos_embed.pos_embed"),
        **_moved(left, "pos_embed.proj", "x_embedder.proj"),
        **_moved(left, "context_embedder", "context_embedder"),
        **_moved(left, "proj_out", "final_layer.linear"),
        **_swapped(left, "norm_out.linear", "final_layer.adaLN_modulation.1"),
    }
    for ours, theirs in (("timestep_embedder", "t_embedder"), ("text_embedder", "y_embedder")):
        for layer, place in (("linear_1", 0), ("linear_2", 2)):
            made |= _moved(left, f"time_text_embed.{ours}.{layer}", f"{theirs}.mlp.{place}")
    count = len({key.split(".")[1] for key in left if key.startswith("transformer_blocks.")})
    for number in range(count):
        ours, x, context = (
            f"transformer_blocks.{number}",
            f"joint_blocks.{number}.x_block",
            f"joint_blocks.{number}.context_block",
        )
        is_last = number == count - 1
        made |= _fused(left, [f"{ours}.attn.to_{letter}" for letter in "qkv"], f"{x}.attn.qkv")
        made |= _fused(left, [f"{ours}.attn.add_{letter}_proj" for letter in "qkv"], f"{context}.attn.qkv")
        made |= _moved(left, f"{ours}.attn.to_out.0", f"{x}.attn.proj")
        made |= _moved(left, f"{ours}.norm1.linear", f"{x}.adaLN_modulation.1")
        change = _swapped if is_last else _moved
        made |= change(left, f"{ours}.norm1_context.linear", f"{context}.adaLN_modulation.1")
        for place, layer in (("net.0.proj", "fc1"), ("net.2", "fc2")):
            made |= _moved(left, f"{ours}.ff.{place}", f"{x}.mlp.{layer}")
            if not is_last:
                made |= _moved(left, f"{ours}.ff_context.{place}", f"{context}.mlp.{layer}")
        if not is_last:
            made |= _moved(left, f"{ours}.attn.to_add_out", f"{context}.attn.proj")
    assert not left, left.keys()
    return {prefix + key: tensor for key, tensor in made.items()}


def flux_transformer(state: Mapping[str, Tensor], prefix: str = "") -> State:
    """The transformer of FLUX; most files have it alone and without a prefix."""
    left = dict(state)
    made = {
        **_moved(left, "context_embedder", "txt_in"),
        **_moved(left, "x_embedder", "img_in"),
        **_moved(left, "proj_out", "final_layer.linear"),
        **_swapped(left, "norm_out.linear", "final_layer.adaLN_modulation.1"),
    }
    for ours, theirs in (
        ("timestep_embedder", "time_in"),
        ("text_embedder", "vector_in"),
        ("guidance_embedder", "guidance_in"),
    ):
        for layer, place in (("linear_1", "in_layer"), ("linear_2", "out_layer")):
            if f"time_text_embed.{ours}.{layer}.weight" in left:
                made |= _moved(left, f"time_text_embed.{ours}.{layer}", f"{theirs}.{place}")
    for number in _numbers(left, "transformer_blocks."):
        ours, theirs = f"transformer_blocks.{number}", f"double_blocks.{number}"
        made |= _fused(left, [f"{ours}.attn.to_{letter}" for letter in "qkv"], f"{theirs}.img_attn.qkv")
        added = [f"{ours}.attn.add_{letter}_proj" for letter in "qkv"]
        made |= _fused(left, added, f"{theirs}.txt_attn.qkv")
        made |= _moved(left, f"{ours}.norm1.linear", f"{theirs}.img_mod.lin")
        made |= _moved(left, f"{ours}.norm1_context.linear", f"{theirs}.txt_mod.lin")
        made |= _moved(left, f"{ours}.attn.to_out.0", f"{theirs}.img_attn.proj")
        made |= _moved(left, f"{ours}.attn.to_add_out", f"{theirs}.txt_attn.proj")
        for sort, stream, letters in (("", "img", "qk"), ("added_", "txt", "qk")):
            for letter, name in zip(letters, ("query", "key"), strict=True):
                scale = left.pop(f"{ours}.attn.norm_{sort}{letter}.weight")
                made[f"{theirs}.{stream}_attn.norm.{name}_norm.scale"] = scale
        for ff, stream in (("ff", "img"), ("ff_context", "txt")):
            made |= _moved(left, f"{ours}.{ff}.net.0.proj", f"{theirs}.{stream}_mlp.0")
            made |= _moved(left, f"{ours}.{ff}.net.2", f"{theirs}.{stream}_mlp.2")
    for number in _numbers(left, "single_transformer_blocks."):
        ours, theirs = f"single_transformer_blocks.{number}", f"single_blocks.{number}"
        parts = [*(f"{ours}.attn.to_{letter}" for letter in "qkv"), f"{ours}.proj_mlp"]
        made |= _fused(left, parts, f"{theirs}.linear1")
        made |= _moved(left, f"{ours}.proj_out", f"{theirs}.linear2")
        made |= _moved(left, f"{ours}.norm.linear", f"{theirs}.modulation.lin")
        for letter, name in zip("qk", ("query", "key"), strict=True):
            made[f"{theirs}.norm.{name}_norm.scale"] = left.pop(f"{ours}.attn.norm_{letter}.weight")
    assert not left, left.keys()
    return {prefix + key: tensor for key, tensor in made.items()}


def of_pipeline(pipeline: Any) -> State:
    """The whole checkpoint of a pipeline, with everything that such files have."""
    part = {name: module.state_dict() for name, module in pipeline.components.items() if _is_module(module)}
    name = type(pipeline).__name__
    if name == "FluxPipeline":
        return {
            **flux_transformer(part["transformer"], "model.diffusion_model."),
            **vae(part["vae"], "vae."),
            **clip(part["text_encoder"], "text_encoders.clip_l.transformer."),
            **t5(part["text_encoder_2"]),
        }
    if name == "StableDiffusion3Pipeline":
        first = clip(part["text_encoder"], "text_encoders.clip_l.transformer.")
        # The files of Stability AI do not have this projection, which is the identity.
        del first["text_encoders.clip_l.transformer.text_projection.weight"]
        return {
            **stable_diffusion_3_transformer(part["transformer"]),
            **vae(part["vae"]),
            **first,
            **clip(part["text_encoder_2"], "text_encoders.clip_g.transformer."),
        }
    denoiser = unet(part["unet"], pipeline.unet.config.layers_per_block)
    if name == "StableDiffusionXLPipeline":
        first = clip(part["text_encoder"], "conditioner.embedders.0.transformer.")
        second = open_clip(part["text_encoder_2"], "conditioner.embedders.1.model.")
        return {**denoiser, **vae(part["vae"]), **first, **second}
    return {**denoiser, **vae(part["vae"]), **clip(part["text_encoder"], "cond_stage_model.transformer.")}


def save(state: Mapping[str, Tensor], file: Path) -> Path:
    """Write a checkpoint."""
    save_file({key: tensor.contiguous().clone() for key, tensor in state.items()}, file)
    return file


def _is_module(component: object) -> bool:
    return isinstance(component, nn.Module)


def _split(key: str) -> tuple[str, str, str, str, str]:
    match = re.fullmatch(r"(down|mid|up)_blocks?(?:\.(\d+))?\.(\w+)\.(\d+)\.(.+)", key)
    assert match is not None, key
    return match[1], match[2] or "0", match[3], match[4], match[5]


def _resnet(part: str, rest: str) -> str:
    name, _, kind = rest.partition(".")
    return f"{_RESNET[name]}.{kind}" if part == "resnets" else rest


def _numbers(state: Iterable[str], prefix: str) -> list[int]:
    return sorted({int(key.split(".")[1]) for key in state if key.startswith(prefix)})


def _moved(left: State, ours: str, theirs: str) -> State:
    return {f"{theirs}.{kind}": left.pop(f"{ours}.{kind}") for kind in ("weight", "bias")}


def _swapped(left: State, ours: str, theirs: str) -> State:
    """Shift and scale change places."""
    moved = _moved(left, ours, theirs)
    return {key: torch.cat(tensor.chunk(2, dim=0)[::-1]) for key, tensor in moved.items()}


def _fused(left: State, ours: Iterable[str], theirs: str) -> State:
    names = list(ours)
    return {
        f"{theirs}.{kind}": torch.cat([left.pop(f"{name}.{kind}") for name in names])
        for kind in ("weight", "bias")
    }
