"""Checkpoints that are one file: the same pictures as the folders they were made from, or a clear refusal."""

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_core.files.model_folders import is_here
from brushwork_schemas.catalogue import Catalogue, Model, Source
from brushwork_schemas.errors import (
    HashMismatch,
    InvalidRequest,
    ModelNotHere,
    ModelUnavailable,
    PickledWeights,
    UnknownModel,
)
from brushwork_workers.models.checkpoints.contents import CheckpointContents
from brushwork_workers.models.checkpoints.conversion import DoesNotFit, PipelinePart
from brushwork_workers.models.location import locate
from brushwork_workers.models.recognition import recognise
from brushwork_workers.models.revision import revision
from brushwork_workers.models.safetensors_head import TensorHead
from safetensors.torch import load_file
from torch import Tensor

from tests.checkpoints import original_layouts
from tests.checkpoints.original_layouts import of_pipeline, save
from tests.single_files import changed, from_file, from_folder, picture, wide_flux_transformer
from tests.tiny_models import stable_diffusion
from tests.tiny_pipelines import stable_diffusion_3, stable_diffusion_xl

FAMILIES: Mapping[str, Callable[[], Any]] = {
    "stable-diffusion": stable_diffusion,
    "stable-diffusion-xl": stable_diffusion_xl,
    "stable-diffusion-3": stable_diffusion_3,
}


class Place:
    """The base and the fine-tuned model of each family, each made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: dict[str, np.ndarray] = {}

    def base(self, family: str) -> Path:
        folder = self.folder / f"base-{family}"
        if not folder.exists():
            FAMILIES[family]().save_pretrained(folder)
        return folder

    def file(self, family: str) -> Path:
        file = self.folder / f"{family}.safetensors"
        if not file.exists():
            pipeline = changed(FAMILIES[family]())
            pipeline.save_pretrained(self.folder / f"tuned-{family}")
            save(of_pipeline(pipeline), file)
        return file

    def expected(self, family: str) -> np.ndarray:
        if family not in self._made:
            self.file(family)
            self._made[family] = picture(from_folder(self.folder / f"tuned-{family}"))
        return self._made[family]

    def catalogue(self, family: str, **more: Model) -> Catalogue:
        base = Model(name="base", family=family, source=Source(folder=self.base(family)))
        return Catalogue({"base": base, **more})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("single-files"))


def added(place: Place, family: str, file: Path, **options: Any) -> Model:
    found = recognise("mine", Source(file=file, base="base"), catalogue=place.catalogue(family), **options)
    assert isinstance(found.entry, Model)
    return found.entry


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_gives_the_picture_of_the_folder_it_was_made_from(family: str, place: Place) -> None:
    model = added(place, family, place.file(family))
    assert model.family == family
    assert np.array_equal(picture(from_file(model)), place.expected(family))
    base = picture(from_folder(place.base(family)))
    assert not np.array_equal(base, place.expected(family))


def test_the_layout_of_stable_diffusion_2_has_another_encoder(tmp_path: Path) -> None:
    pipeline: Any = stable_diffusion()
    pipeline.save_pretrained(tmp_path / "base")
    state = of_pipeline(changed(pipeline))
    kept = {key: tensor for key, tensor in state.items() if not key.startswith("cond_stage_model.")}
    encoder = original_layouts.open_clip(pipeline.text_encoder.state_dict(), "cond_stage_model.model.")
    file = save({**kept, **encoder}, tmp_path / "v2.safetensors")
    base = Model(name="base", family="stable-diffusion", source=Source(folder=tmp_path / "base"))
    found = recognise("mine", Source(file=file, base="base"), catalogue=Catalogue({"base": base}))
    assert isinstance(found.entry, Model)
    assert np.array_equal(picture(from_file(found.entry)), picture(pipeline))


def test_the_names_and_shapes_of_flux_are_those_of_its_width(tmp_path: Path) -> None:
    # Half a billion weights: their values are compared by `python -m tests.single_files`.
    with torch.device("meta"):
        transformer: Any = wide_flux_transformer(guidance_embeds=True)
    transformer.save_config(tmp_path / "transformer")
    part = PipelinePart("transformer", "FluxTransformer2DModel", tmp_path)
    for prefix in ("", "model.diffusion_model."):
        state = original_layouts.flux_transformer(transformer.state_dict(), prefix)
        heads = {name: TensorHead("BF16", tuple(tensor.shape), 0) for name, tensor in state.items()}
        contents = CheckpointContents(tmp_path / "flux.safetensors", heads)
        assert contents.family == "flux"
        _, found = part.converted(contents, state.__getitem__)
        assert found.keys() == transformer.state_dict().keys()
        del heads[f"{prefix}double_blocks.0.img_mod.lin.bias"]
        contents = CheckpointContents(tmp_path / "flux.safetensors", heads)
        with pytest.raises(DoesNotFit, match=r"double_blocks\.0\.img_mod\.lin\.bias"):
            part.converted(contents, state.__getitem__)


def test_what_the_file_lacks_comes_from_the_base(place: Place, tmp_path: Path) -> None:
    state = load_file(place.file("stable-diffusion"))
    alone = {key: tensor for key, tensor in state.items() if key.startswith("model.diffusion_model.")}
    model = added(place, "stable-diffusion", save(alone, tmp_path / "unet.safetensors"))
    expected = from_folder(place.base("stable-diffusion"))
    tuned = from_folder(place.folder / "tuned-stable-diffusion")
    expected.unet = tuned.unet
    assert np.array_equal(picture(from_file(model)), picture(expected))


def test_a_file_of_diffusers_own_names_and_one_without_a_prefix(place: Place, tmp_path: Path) -> None:
    place.file("stable-diffusion-3")
    tuned = place.folder / "tuned-stable-diffusion-3"
    weights = tuned / "transformer" / "diffusion_pytorch_model.safetensors"
    expected = from_folder(place.base("stable-diffusion-3"))
    expected.transformer = from_folder(tuned).transformer
    shown = picture(expected)
    bare = original_layouts.stable_diffusion_3_transformer(load_file(weights), prefix="")
    for file in (weights, save(bare, tmp_path / "bare.safetensors")):
        assert np.array_equal(picture(from_file(added(place, "stable-diffusion-3", file))), shown)


def test_weights_in_half_precision_and_float8_are_converted(place: Place, tmp_path: Path) -> None:
    state = load_file(place.file("stable-diffusion"))
    for format_, tolerance in ((torch.float16, 2e-3), (torch.float8_e4m3fn, 0.2)):
        half = {key: tensor.to(format_) for key, tensor in state.items()}
        model = added(place, "stable-diffusion", save(half, tmp_path / f"{format_}.safetensors"))
        pipeline = from_file(model)
        assert pipeline.unet.dtype is torch.float32
        assert np.abs(picture(pipeline) - place.expected("stable-diffusion")).max() < tolerance


def test_copies_of_training_and_marks_of_other_programs_do_no_harm(place: Place, tmp_path: Path) -> None:
    state = dict(load_file(place.file("stable-diffusion")))
    state["model_ema.decay"] = torch.tensor(0.9)
    state["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    state |= {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    pipeline = from_file(added(place, "stable-diffusion", save(state, tmp_path / "marked.safetensors")))
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    assert pipeline.scheduler.config.rescale_betas_zero_snr
    plain = from_file(added(place, "stable-diffusion", place.file("stable-diffusion")))
    assert plain.scheduler.config.prediction_type == "epsilon"


def test_the_entry_takes_over_what_the_base_says(place: Place, tmp_path: Path) -> None:
    base = Model(
        name="turbo",
        family="stable-diffusion",
        source=Source(folder=place.base("stable-diffusion")),
        kinds=("text-to-image",),
        defaults={"num_inference_steps": 1, "text-to-image": {"guidance_scale": 0.0}},
        licence="MIT",
        dtype="float32",
    )
    source = Source(file=place.file("stable-diffusion"), base="turbo")
    found = recognise("mine", source, catalogue=Catalogue({"turbo": base}))
    assert found.table == {
        "family": "stable-diffusion",
        "source": {"file": str(source.file), "base": "turbo"},
        "kinds": ["text-to-image"],
        "defaults": {"num_inference_steps": 1, "text-to-image": {"guidance_scale": 0.0}},
        "dtype": "float32",
    }
    assert found.entry.licence == "unknown", "that of the base says nothing about the file"


def _xl_unet() -> dict[str, Tensor]:
    pipeline: Any = stable_diffusion_xl()
    state: dict[str, Tensor] = pipeline.unet.state_dict()
    return state


REFUSED: dict[str, tuple[Callable[[dict[str, Tensor]], dict[str, Tensor]], str]] = {
    "LoRA of kohya": (
        lambda state: {"lora_unet_down_blocks_0.lora_down.weight": torch.zeros(2)},
        "is a LoRA adapter.*--type lora",
    ),
    "LoRA of diffusers": (lambda state: {"unet.to_q.lora_A.weight": torch.zeros(2)}, "is a LoRA adapter"),
    "LoHa": (lambda state: {"lora_unet_x.hada_w1_a": torch.zeros(2)}, "is a LoRA adapter"),
    "LoKr": (lambda state: {"transformer.x.lokr_w1": torch.zeros(2)}, "is a LoRA adapter"),
    "embedding": (lambda state: {"emb_params": torch.zeros(2, 8)}, "is an embedding of textual inversion"),
    "ControlNet": (lambda state: {"control_model.time_embed.0.weight": torch.zeros(2)}, "is a ControlNet"),
    "VAE": (
        lambda state: {
            key.removeprefix("first_stage_model."): tensor
            for key, tensor in state.items()
            if key.startswith("first_stage_model.")
        },
        "is a VAE.*vae = ",
    ),
    "scaled float8": (
        lambda state: {**state, "model.diffusion_model.out.2.scale_weight": torch.zeros(1)},
        "quantised weights",
    ),
    "text encoder": (
        lambda state: {key: tensor for key, tensor in state.items() if key.startswith("cond_stage_model.")},
        "no UNet and no transformer",
    ),
    "something else": (lambda state: {"fc.weight": torch.zeros(2, 2)}, "does not fit base"),
    "nothing": (lambda state: {}, "no UNet and no transformer"),
    "another family": (
        lambda state: original_layouts.unet(_xl_unet(), 1),
        "is a checkpoint of the family stable-diffusion-xl, but base is of the family stable-diffusion",
    ),
    "inpainting": (
        lambda state: {
            **state,
            "model.diffusion_model.input_blocks.0.0.weight": torch.zeros(32, 9, 3, 3),
        },
        "unet.conv_in.weight has the shape 32x9x3x3 in the file, and 32x4x3x3 in the base",
    ),
    "a part of the denoiser": (
        lambda state: {key: tensor for key, tensor in state.items() if "middle_block.1." not in key},
        "weights of unet are missing, for example mid_block.attentions.0",
    ),
    "a larger denoiser": (
        lambda state: {
            **state,
            **{
                key.replace("input_blocks.3.", "input_blocks.4."): tensor
                for key, tensor in state.items()
                if "input_blocks.3." in key
            },
        },
        "does not fit base",
    ),
    "another VAE": (
        lambda state: {**state, "first_stage_model.quant_conv.weight": torch.zeros(2, 2, 1, 1)},
        "vae.quant_conv.weight has the shape 2x2x1x1",
    ),
}


@pytest.mark.parametrize("sort", REFUSED)
def test_another_sort_of_file_is_refused_with_what_to_do(sort: str, place: Place, tmp_path: Path) -> None:
    change, words = REFUSED[sort]
    file = save(change(load_file(place.file("stable-diffusion"))), tmp_path / "other.safetensors")
    with pytest.raises(ModelUnavailable, match=words) as raised:
        added(place, "stable-diffusion", file)
    assert raised.value.hint


@pytest.mark.parametrize("name", ["model.ckpt", "model.pt", "model.safetensors"])
def test_a_pickle_is_refused_by_its_name_and_by_its_content(name: str, place: Place, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"state_dict": {}}, protocol=4))
    with pytest.raises(PickledWeights):
        added(place, "stable-diffusion", tmp_path / name)


def test_files_that_are_damaged_missing_or_of_another_format(place: Place, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(place.file("stable-diffusion").read_bytes()[:-100])
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    for name, error, words in (
        ("cut.safetensors", ModelUnavailable, "is cut off"),
        ("model.gguf", ModelUnavailable, "is not a safetensors file"),
        ("none.safetensors", ModelNotHere, "there is no file"),
    ):
        with pytest.raises(error, match=words):
            added(place, "stable-diffusion", tmp_path / name)


def test_a_base_must_be_named_and_fit(place: Place) -> None:
    file = place.file("stable-diffusion")
    with pytest.raises(InvalidRequest, match="needs a model") as raised:
        recognise("mine", Source(file=file), catalogue=place.catalogue("stable-diffusion"))
    assert "of the family stable-diffusion" in str(raised.value.hint)
    with pytest.raises(UnknownModel, match="'bse' is not in the catalogue"):
        recognise("mine", Source(file=file, base="bse"), catalogue=place.catalogue("stable-diffusion"))
    mine = added(place, "stable-diffusion", file)
    catalogue = place.catalogue("stable-diffusion", mine=mine)
    with pytest.raises(InvalidRequest, match="mine is a single file itself"):
        recognise("other", Source(file=file, base="mine"), catalogue=catalogue)


def test_a_changed_file_is_noticed_and_changes_the_revision(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    file.write_bytes(place.file("stable-diffusion").read_bytes())
    model = added(place, "stable-diffusion", file)
    folder = locate(model)
    first = revision(model, folder)
    base = Model(name="base", family="stable-diffusion", source=Source(folder=folder))
    assert first != revision(base, folder)
    pinned = Source(file=file, base="base", files={file.name: "0" * 64}).with_base(base.source)
    with pytest.raises(HashMismatch, match=r"own\.safetensors is not the file that was pinned"):
        locate(model.model_copy(update={"source": pinned}))
    state = load_file(file)
    save({**state, "model.diffusion_model.out.2.bias": state["model.diffusion_model.out.2.bias"] + 1}, file)
    assert revision(model, folder) != first
    assert is_here(model.source)
    file.unlink()
    assert not is_here(model.source)
    with pytest.raises(ModelNotHere):
        locate(model)


def vae_of(place: Place, family: str = "stable-diffusion") -> Path:
    place.file(family)
    return place.folder / f"tuned-{family}"


def with_vae(place: Place, vae: str, **more: Model) -> Model:
    found = recognise(
        "mine",
        Source(folder=place.base("stable-diffusion")),
        vae=vae,
        catalogue=place.catalogue("stable-diffusion", **more),
    )
    assert isinstance(found.entry, Model)
    assert found.table["vae"] == vae
    return found.entry


def test_a_vae_of_ones_own_is_a_folder_a_file_or_another_entry(place: Place, tmp_path: Path) -> None:
    tuned = vae_of(place)
    expected = from_folder(place.base("stable-diffusion"))
    expected.vae = from_folder(tuned).vae
    shown = picture(expected)
    own = load_file(tuned / "vae" / "diffusion_pytorch_model.safetensors")
    files = {
        "original": original_layouts.vae(own, prefix=""),
        "prefixed": original_layouts.vae(own),
        "diffusers": own,
    }
    named = Model(name="tuned", family="stable-diffusion", source=Source(folder=tuned))
    single = added(place, "stable-diffusion", place.file("stable-diffusion")).model_copy(
        update={"name": "single"}
    )
    ways = [str(tuned), str(tuned / "vae"), "tuned", "single", str(place.file("stable-diffusion"))]
    ways += [str(save(state, tmp_path / f"{name}.safetensors")) for name, state in files.items()]
    revisions = set()
    for vae in ways:
        model = with_vae(place, vae, tuned=named, single=single)
        assert np.array_equal(picture(from_file(model)), shown), vae
        revisions.add(revision(model, locate(model)))
    plain = Model(
        name="plain", family="stable-diffusion", source=Source(folder=place.base("stable-diffusion"))
    )
    assert revision(plain, locate(plain)) not in revisions


@pytest.mark.parametrize(
    ("vae", "error", "words"),
    [
        ("{sd3}", ModelUnavailable, "latent_channels = 16, that of the model 4"),
        ("{unet}", ModelUnavailable, "has no VAE"),
        ("{folder}/unet", ModelUnavailable, "names no class of an autoencoder"),
        ("{folder}/none", ModelNotHere, "is not on this machine"),
        ("{folder}/none.safetensors", ModelNotHere, "there is no file"),
        ("{folder}/vae.pt", PickledWeights, "pickled weights"),
        ("{sd3-file}", ModelUnavailable, "vae.encoder.conv_out.weight has the shape"),
        ("tuend", InvalidRequest, "no model has the name 'tuend'"),
    ],
)
def test_a_vae_that_does_not_fit_or_is_none_is_refused(
    vae: str, error: type[Exception], words: str, place: Place, tmp_path: Path
) -> None:
    state = load_file(place.file("stable-diffusion"))
    alone = {key: tensor for key, tensor in state.items() if key.startswith("model.diffusion_model.")}
    sd3 = vae_of(place, "stable-diffusion-3")
    weights = load_file(sd3 / "vae" / "diffusion_pytorch_model.safetensors")
    given = {
        "{sd3}": str(sd3),
        "{unet}": str(save(alone, tmp_path / "unet.safetensors")),
        "{sd3-file}": str(save(original_layouts.vae(weights, ""), tmp_path / "vae.safetensors")),
    }
    with pytest.raises(error, match=words):
        with_vae(place, given.get(vae, vae.replace("{folder}", str(vae_of(place)))))
