"""Checkpoints that are one file against the folders they were made from, also FLUX at its full width.

    python -m tests.single_files [--families flux ...]

Prints the largest difference of the pictures for each family. diffusers fixes the width of FLUX at 3072, so
one double and one single block have half a billion weights. They are in bfloat16, and the file has the
transformer alone. The other families are those of tests/unit/test_single_files.py.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brushwork_schemas.catalogue import Catalogue, Model, Source
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.diffusion.loading import read
from brushwork_workers.interface import LoadSpec
from brushwork_workers.models.location import locate
from brushwork_workers.models.recognition import recognise
from diffusers import DiffusionPipeline, FluxTransformer2DModel

from tests.checkpoints.original_layouts import flux_transformer, of_pipeline, save
from tests.tiny_models import stable_diffusion
from tests.tiny_pipelines import flux, stable_diffusion_3, stable_diffusion_xl


def wide_flux_transformer(**options: Any) -> FluxTransformer2DModel:
    """One double and one single block of the only width that diffusers reads."""
    return FluxTransformer2DModel(
        patch_size=1,
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=128,
        num_attention_heads=24,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        **options,
    )


def wide_flux() -> Any:
    """A FLUX pipeline with a transformer of full width."""
    pipeline: Any = flux()
    torch.manual_seed(0)
    pipeline.transformer = wide_flux_transformer()
    return pipeline.to(torch.bfloat16)


FAMILIES = {
    "stable-diffusion": stable_diffusion,
    "stable-diffusion-xl": stable_diffusion_xl,
    "stable-diffusion-3": stable_diffusion_3,
    "flux": wide_flux,
}


def changed(pipeline: Any) -> Any:
    """Return the pipeline with other weights, as a fine-tuned one has."""
    generator = torch.Generator().manual_seed(7)
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            for name, weight in component.named_parameters():
                # The files of Stability AI do not have this projection, which is the identity.
                if name != "text_projection.weight":
                    noise = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
                    weight.data += 0.02 * noise
    return pipeline


def from_folder(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    """Load a pipeline from its folder."""
    # Stable Diffusion 3 without its third encoder, as most people have it.
    third = {"text_encoder_3": None, "tokenizer_3": None} if "stable-diffusion-3" in folder.name else {}
    return DiffusionPipeline.from_pretrained(folder, dtype=dtype, **third)


def from_file(model: Model, dtype: torch.dtype = torch.float32) -> Any:
    """Load the pipeline of a catalogue entry as a worker does."""
    place = locate(model)
    return read(LoadSpec(model, place, torch.device("cpu"), dtype, SerialExecutor(), ("text-to-image",)))


def picture(pipeline: Any) -> np.ndarray:
    """Make a picture, values from 0 to 1."""
    pipeline.set_progress_bar_config(disable=True)
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            for weight in component.parameters():
                # Where a tensor begins in memory changes how the processor rounds, by 1e-6.
                weight.data = weight.data.clone()
    made = pipeline(
        prompt="a red circle",
        width=32,
        height=32,
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(3),
        output_type="np",
    )
    return np.asarray(made.images[0])


def difference(family: str, folder: Path) -> tuple[float, float]:
    """Return the largest differences of the picture of a file from those of its folder and of its base."""
    dtype = torch.bfloat16 if family == "flux" else torch.float32
    pipeline: Any = FAMILIES[family]()
    pipeline.save_pretrained(folder / f"base-{family}")
    if family == "flux":
        tuned = changed(pipeline).transformer
        save(flux_transformer(tuned.state_dict()), folder / "file.safetensors")
        untouched = from_folder(folder / f"base-{family}", dtype)
        untouched.transformer = tuned
        expected = picture(untouched)
    else:
        changed(pipeline)
        save(of_pipeline(pipeline), folder / "file.safetensors")
        expected = picture(pipeline)
    base = Model(name="base", family=family, source=Source(folder=folder / f"base-{family}"))
    source = Source(file=folder / "file.safetensors", base="base")
    found = recognise("mine", source, catalogue=Catalogue({"base": base}))
    assert isinstance(found.entry, Model)
    shown = picture(from_file(found.entry, dtype))
    plain = picture(from_folder(folder / f"base-{family}", dtype))
    return float(np.abs(shown - expected).max()), float(np.abs(shown - plain).max())


def main() -> None:
    """Compare each family, and end with status 1 if a picture differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    differs = False
    for family in parser.parse_args().families:
        with tempfile.TemporaryDirectory() as folder:
            own, base = difference(family, Path(folder))
        print(f"{family:22} from its folder {own:.1e}, from the base {base:.1e}", flush=True)
        differs |= own > 0 or base == 0
    sys.exit(1 if differs else 0)


if __name__ == "__main__":
    main()
