"""ControlNets of Z-Image and Hunyuan-DiT, in the generic family: equal to diffusers, alone and at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import AddOn, Catalogue, Model, Source
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import FoundAddOn, Handler, LoadSpec
from brushwork_workers.models.recognition import recognise
from transformers import BertConfig, BertModel

from tests.checkpoints.painters import picture
from tests.desks import PlainDesk
from tests.gathering import batcher, together
from tests.pipelines.chat_transformers import z_image
from tests.pipelines.parts import WIDTH, autoencoder, t5, words
from tests.stops import Going

KIND = "text-to-image"
DESK = PlainDesk()
EDGES = picture(seed=3)
GIVEN = DESK.give(EDGES)
NUM_JOBS = 8
# Half a step of 8 bits, and a thousandth of the range.
CLOSE = (0.5 + 0.255) / 255


@dataclass(frozen=True)
class Case:
    """A pipeline, its ControlNet, the class that runs both, and arguments of its call that no request has."""

    pipeline: Callable[[], Any]
    controlnet: Callable[[], Any]
    class_name: str
    side: int
    arguments: Mapping[str, Any]


def hunyuan_dit() -> Any:
    torch.manual_seed(0)
    transformer = diffusers.HunyuanDiT2DModel(num_layers=6, **SIZES)
    config = BertConfig(
        vocab_size=60,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=37,
        max_position_embeddings=128,
    )
    return diffusers.HunyuanDiTPipeline(
        transformer=transformer,
        # The pipeline counts with a latent for 8 x 8 pixels.
        vae=autoencoder(4),
        text_encoder=BertModel(config),
        tokenizer=words(length=77),
        text_encoder_2=t5(),
        tokenizer_2=words(length=256),
        scheduler=diffusers.DDPMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


SIZES: dict[str, Any] = {
    "sample_size": 16,
    "patch_size": 2,
    "attention_head_dim": 8,
    "num_attention_heads": 3,
    "in_channels": 4,
    "cross_attention_dim": WIDTH,
    "cross_attention_dim_t5": WIDTH,
    "pooled_projection_dim": 16,
    "hidden_size": 24,
    "activation_fn": "gelu-approximate",
}
OF_Z_IMAGE: dict[str, Any] = {
    "control_layers_places": [0, 1],
    "control_refiner_layers_places": [0],
    "control_in_dim": 4,
    "dim": 32,
    "n_refiner_layers": 1,
    "n_heads": 2,
    "n_kv_heads": 2,
}
CASES = {
    "z-image": Case(
        lambda: z_image(diffusers.ZImagePipeline),
        lambda: diffusers.ZImageControlNetModel(**OF_Z_IMAGE),
        "ZImageControlNetPipeline",
        32,
        {"max_sequence_length": 16},
    ),
    "hunyuan-dit": Case(
        hunyuan_dit,
        lambda: diffusers.HunyuanDiT2DControlNetModel(transformer_num_layers=6, **SIZES),
        "HunyuanDiTControlNetPipeline",
        64,
        {"use_resolution_binning": False},
    ),
}


def saved(case: Case, folder: Path) -> tuple[Model, AddOn]:
    case.pipeline().save_pretrained(folder / "model")
    torch.manual_seed(7)
    controlnet = case.controlnet()
    for weight in controlnet.parameters():
        # As each begins, what it says is multiplied by nothing.
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.3)
    controlnet.save_pretrained(folder / "edges")
    model = recognise("tiny", Source(folder=folder / "model"), family="diffusers").entry
    assert isinstance(model, Model)
    assert model.pipeline is not None
    described = model.pipeline.model_copy(
        update={"arguments": {**model.pipeline.arguments, **case.arguments}}
    )
    source = Source(folder=folder / "edges")
    edges = AddOn.model_validate(
        {"name": "edges", "type": "controlnet", "family": "diffusers", "source": source}
    )
    return model.model_copy(update={"pipeline": described}), edges


def handler(model: Model, edges: AddOn, calls: ModelExecutor) -> Handler:
    folder, own = model.source.folder, edges.source.folder
    assert folder is not None
    assert own is not None
    found = {"edges": FoundAddOn(edges, own)}
    spec = LoadSpec(model, folder, torch.device("cpu"), torch.float32, calls, (KIND,), add_ons=found)
    made = load(spec).handlers[KIND]
    with calls.job(Going()):
        made.warm_up()
    return made


def asked(case: Case, index: int) -> dict[str, Any]:
    """Prompt, steps, guidance, seed and the weight of the ControlNet differ from job to job."""
    return {
        "prompt": ("a red circle", "a star")[index % 2],
        "num_inference_steps": 2 + index % 3,
        "guidance_scale": (1.0, 3.0, 5.5)[index % 3],
        "seed": index,
        "width": case.side,
        "height": case.side,
        "controlnet": "edges",
        "control_image": GIVEN,
        "controlnet_conditioning_scale": (1.0, 0.5)[index % 2],
    }


def direct(case: Case, folder: Path, fields: Mapping[str, Any]) -> Any:
    """The stock pipeline, loaded for this job alone."""
    plain: Any = diffusers.DiffusionPipeline.from_pretrained(folder / "model")
    controlnet = type(case.controlnet()).from_pretrained(folder / "edges")
    config = {name: value for name, value in plain.config.items() if name == "requires_safety_checker"}
    pipeline: Any = getattr(diffusers, case.class_name)(**plain.components, controlnet=controlnet, **config)
    pipeline.set_progress_bar_config(disable=True)
    # Hunyuan-DiT draws the latents of a control picture from the global generator.
    torch.manual_seed(fields["seed"])
    own = ("prompt", "num_inference_steps", "guidance_scale", "width", "height")
    return pipeline(
        **{name: fields[name] for name in own},
        control_image=EDGES,
        controlnet_conditioning_scale=fields["controlnet_conditioning_scale"],
        generator=torch.Generator().manual_seed(fields["seed"]),
        output_type="np",
        **case.arguments,
    ).images[0]


@pytest.mark.parametrize("name", CASES)
def test_equals_diffusers_alone_and_beside_seven_others(name: str, tmp_path: Path, thorough: bool) -> None:
    if not thorough:
        pytest.skip("takes long; --thorough tries it")
    case = CASES[name]
    model, edges = saved(case, tmp_path)
    jobs = [asked(case, index) for index in range(NUM_JOBS)]
    expected = [direct(case, tmp_path, fields) for fields in jobs]

    def made(of: Handler, fields: Mapping[str, Any]) -> Any:
        request = admit(KIND, fields, Catalogue({model.name: model}, {"edges": edges})).request
        return np.asarray(of.perform(request, DESK)["images"][0].pil(), dtype=float) / 255

    alone = handler(model, edges, SerialExecutor())
    for fields, right in zip(jobs, expected, strict=True):
        assert np.abs(made(alone, fields) - right).max() <= CLOSE
    without = {field: value for field, value in jobs[0].items() if "control" not in field}
    assert np.abs(made(alone, without) - expected[0]).max() > 0.1
    with batcher() as calls:
        shared = handler(model, edges, calls)
        runs = [lambda fields=fields: made(shared, fields) for fields in jobs]  # type: ignore[misc]
        for found, right in zip(together(calls, runs), expected, strict=True):
            assert np.abs(found - right).max() <= CLOSE
