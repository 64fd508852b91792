"""Loads the modules of a model that come from a single file, or from a VAE of its own."""

from pathlib import Path
from typing import Any

import diffusers
import torch
from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.wording.phrase import said
from safetensors import safe_open
from torch import Tensor, nn

from brushwork_workers.models.checkpoints.conversion import DoesNotFit, PipelinePart, State
from brushwork_workers.models.checkpoints.own_parts import FilePart, FolderPart, own_parts
from brushwork_workers.models.checkpoints.refusals import does_not_fit
from brushwork_workers.models.listing import FolderListing
from brushwork_workers.models.weights import SAFETENSORS, weight_files

_FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)


def own_modules(model: Model, folder: Path, dtype: torch.dtype) -> dict[str, Any]:
    """Load the parts of a model that are not read from its folder.

    Args:
        model: The catalogue entry.
        folder: The folder of its files; of a single file, that of its base.
        dtype: Number format of the weights.

    Returns:
        The modules by component, as arguments of `from_pretrained`; empty for most models.

    Raises:
        ModelUnavailable: A part does not fit the model, or weights are missing.
    """
    found: dict[str, Any] = {}
    for name, own in own_parts(model, folder).items():
        if isinstance(own, FolderPart):
            found[name] = _from_folder(own, dtype)
            continue
        try:
            found[name] = _from_file(own, model.source.variant, dtype)
        except DoesNotFit as error:
            base = str(model.source.base or model.name)
            raise does_not_fit(own.contents, base, model.family, str(error)) from error
    if model.source.file is not None and (scheduler := _scheduler(found, model, folder)) is not None:
        found["scheduler"] = scheduler
    return found


def _from_folder(own: FolderPart, dtype: torch.dtype) -> Any:
    return getattr(diffusers, own.class_name).from_pretrained(
        own.folder, dtype=dtype, variant=own.variant, use_safetensors=True, local_files_only=True
    )


def _from_file(own: FilePart, variant: str | None, dtype: torch.dtype) -> nn.Module:
    with safe_open(own.contents.file, "pt") as file:

        def read(name: str) -> Tensor:
            tensor: Tensor = file.get_tensor(name)
            # Nothing can be computed in float8, not even a conversion of the layout. A copy, because where a
            # tensor begins in memory changes how the processor rounds.
            return tensor.to(dtype) if tensor.dtype in _FLOAT8 else tensor.clone()

        module, state = own.part.converted(own.contents, read)
        module.load_state_dict(state, strict=False, assign=True)
    if (tie := getattr(module, "tie_weights", None)) is not None:
        tie()
    if missing := [name for name, tensor in module.state_dict().items() if tensor.is_meta]:
        filled = _of_base(own.part, missing, variant)
        module.load_state_dict(filled, strict=False, assign=True)
    return _in_format(module, dtype).eval().requires_grad_(False)


def _of_base(part: PipelinePart, missing: list[str], variant: str | None) -> State:
    """Read from the base what the file lacks, such as the text projection of an encoder."""
    listing = FolderListing(part.folder)
    stem = "diffusion_pytorch_model" if part.name == "vae" else "model"
    found: State = {}
    for name in weight_files(listing, part.name, stem, variant):
        if name.endswith(SAFETENSORS):
            with safe_open(part.folder / name, "pt") as file:
                for key in file.keys():  # noqa: SIM118, for the file is no mapping
                    plain = key.removeprefix("text_model.")
                    for spelling in (key, plain, f"text_model.{plain}"):
                        if spelling in missing:
                            found[spelling] = file.get_tensor(key)
    if lacking := [name for name in missing if name not in found]:
        raise ModelUnavailable(
            said(
                "{number} weights of {part} are neither in the file nor in its base, for example {example}.",
                number=len(lacking),
                part=part.name,
                example=lacking[0],
            ),
            field="source.file",
            hint="Choose as base a model that the checkpoint was trained from.",
        )
    return found


def _in_format(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Convert a module, except for parts of which the libraries say that they need float32 beside float16."""
    kept = getattr(module, "_keep_in_fp32_modules", None) or ()
    # Not the method of diffusers, which warns of parts that are to stay in float32, even if there are none.
    nn.Module.to(module, dtype=dtype)
    if dtype == torch.float16:
        for name, weight in module.named_parameters():
            if set(kept) & set(name.split(".")):
                weight.data = weight.data.to(torch.float32)
    return module


def _scheduler(found: dict[str, Any], model: Model, folder: Path) -> Any:
    """Return the scheduler of a checkpoint that says that it predicts velocity; None for all others.

    Some checkpoints of Stable Diffusion XL have empty tensors of these names as marks, as other programs read
    them.
    """
    own = next((part for part in own_parts(model, folder).values() if isinstance(part, FilePart)), None)
    if own is None or "v_pred" not in own.contents.names:
        return None
    scheduler_class = FolderListing(folder).read("model_index.json")["scheduler"][1]
    made_of = getattr(diffusers, scheduler_class)
    config = made_of.load_config(folder, subfolder="scheduler", local_files_only=True)
    changes: dict[str, Any] = {"prediction_type": "v_prediction"}
    if "ztsnr" in own.contents.names:
        changes["rescale_betas_zero_snr"] = True
    return made_of.from_config(config, **changes)
