"""Files of models: which loading would read, and which are refused before anything is loaded."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from brushwork_core.files.model_folders import Lock, LockedFile, is_here, pulled_place, write_lock
from brushwork_schemas.catalogue import AddOn, Model, Source
from brushwork_schemas.errors import (
    HashMismatch,
    ModelFileMissing,
    ModelNotHere,
    ModelUnavailable,
    PickledWeights,
    RemoteCode,
    UnknownModelClass,
)
from brushwork_workers.models.fingerprint import Fingerprints
from brushwork_workers.models.layout import files_to_load
from brushwork_workers.models.listing import FolderListing
from brushwork_workers.models.location import locate
from brushwork_workers.models.revision import revision
from brushwork_workers.models.weights import weight_files

from tests.tiny_models import save_stable_diffusion

REVISION = "0123456789abcdef0123456789abcdef01234567"
# A head that says there are no tensors.
NO_TENSORS = b"\x02\x00\x00\x00\x00\x00\x00\x00{}"
PIPELINE = {
    "_class_name": "StableDiffusionPipeline",
    "requires_safety_checker": True,
    "scheduler": ["diffusers", "DDIMScheduler"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "image_encoder": [None, None],
}
PIPELINE_FILES = {
    "model_index.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/vocab.json",
    "safety_checker/config.json",
    "safety_checker/model.safetensors",
}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("BRUSHWORK_MODEL_FILES", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "data"


def write(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


def classifier(folder: Path) -> Path:
    config = {"architectures": ["ViTForImageClassification"]}
    return write(
        folder, {"config.json": config, "preprocessor_config.json": {}, "model.safetensors": NO_TENSORS}
    )


def pipeline(folder: Path, index: dict[str, Any] = PIPELINE) -> Path:
    write(folder, {name: {} if name.endswith(".json") else NO_TENSORS for name in PIPELINE_FILES})
    return write(folder, {"model_index.json": index})


def entry(folder: Path, family: str = "image-classifier", **more: Any) -> Model:
    files, variant = more.pop("files", {}), more.pop("variant", None)
    source = Source(folder=folder, files=files, variant=variant)
    return Model(name="mine", family=family, source=source, **more)


def loaded_files(model: Model | AddOn) -> set[str]:
    assert model.source.folder is not None
    return set(files_to_load(model, FolderListing(model.source.folder)))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_of_a_pipeline_each_component_is_read_and_nothing_besides(tmp_path: Path) -> None:
    pipeline(tmp_path)
    write(tmp_path, {"v1-5.ckpt": b"x", "README.md": b"x", "unet/diffusion_pytorch_model.bin": b"x"})
    assert loaded_files(entry(tmp_path, "stable-diffusion")) == PIPELINE_FILES
    without = loaded_files(entry(tmp_path, "stable-diffusion", safety_checker=False))
    assert without == {name for name in PIPELINE_FILES if not name.startswith("safety_checker")}


def test_a_variant_is_taken_where_there_is_one(tmp_path: Path) -> None:
    write(pipeline(tmp_path), {"unet/diffusion_pytorch_model.fp16.safetensors": NO_TENSORS})
    files = loaded_files(entry(tmp_path, "stable-diffusion", variant="fp16"))
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in files
    assert "unet/diffusion_pytorch_model.safetensors" not in files
    assert "text_encoder/model.safetensors" in files


def test_shards_are_read_by_their_index_and_a_missing_one_is_named(tmp_path: Path) -> None:
    classifier(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    write(tmp_path, {"model.safetensors.index.json": {"weight_map": shards}, shards["a"]: NO_TENSORS})
    with pytest.raises(ModelFileMissing, match="model-00002-of-00002") as raised:
        locate(entry(tmp_path))
    assert "model.safetensors.index.json names it" in raised.value.message
    write(tmp_path, {shards["b"]: NO_TENSORS})
    assert {*shards.values(), "model.safetensors.index.json"} < loaded_files(entry(tmp_path))


def test_an_adapter_is_one_file(tmp_path: Path) -> None:
    write(tmp_path, {"one.safetensors": NO_TENSORS})
    lora = AddOn(name="l", type="lora", family="stable-diffusion", source=Source(folder=tmp_path))
    assert loaded_files(lora) == {"one.safetensors"}
    write(tmp_path, {"two.safetensors": NO_TENSORS})
    with pytest.raises(ModelFileMissing, match=r"Files found: one\.safetensors, two\.safetensors"):
        loaded_files(lora)
    assert loaded_files(lora.model_copy(update={"weight_name": "two.safetensors"})) == {"two.safetensors"}


def test_an_adapter_of_another_sort_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.dat").write_bytes(NO_TENSORS)
    adapter = AddOn(
        name="mine",
        type="lora",
        family="stable-diffusion",
        source=Source(folder=tmp_path),
        weight_name="weights.dat",
    )
    with pytest.raises(ModelUnavailable, match=r"weights\.dat .* only \.safetensors files are loaded"):
        locate(adapter)


def test_a_shard_of_another_sort_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shard.dat").write_bytes(NO_TENSORS)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"layer.weight": "shard.dat"}}))
    with pytest.raises(ModelUnavailable, match=r"shard\.dat .* only \.safetensors files are loaded"):
        weight_files(FolderListing(tmp_path), "", "model", None)


def test_an_adapter_among_the_weights_of_a_model_is_refused(tmp_path: Path) -> None:
    save_stable_diffusion(tmp_path)
    entry = Model(name="tiny", family="stable-diffusion", source=Source(folder=tmp_path))
    locate(entry)
    (tmp_path / "text_encoder" / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(ModelUnavailable, match=r"encoder/adapter_config\.json is in the folder.*adapter"):
        locate(entry)


def test_a_controlnet_says_that_it_is_one(tmp_path: Path) -> None:
    net = AddOn(name="c", type="controlnet", family="stable-diffusion", source=Source(folder=tmp_path))
    weights = {"diffusion_pytorch_model.safetensors": NO_TENSORS}
    write(tmp_path, {"config.json": {"_class_name": "ControlNetModel"}, **weights})
    assert loaded_files(net) == {"config.json", *weights}
    write(tmp_path, {"config.json": {"_class_name": "UNet2DConditionModel"}})
    with pytest.raises(UnknownModelClass, match="UNet2DConditionModel"):
        loaded_files(net)


Damage = Callable[[Path], object]
CLASSIFIERS: dict[str, tuple[Damage, type[ModelUnavailable], str]] = {
    "no configuration": (
        lambda folder: (folder / "config.json").unlink(),
        ModelFileMissing,
        "config.json is missing",
    ),
    "no weights": (
        lambda folder: (folder / "model.safetensors").unlink(),
        ModelFileMissing,
        "model.safetensors is missing",
    ),
    "no preprocessing": (
        lambda folder: (folder / "preprocessor_config.json").unlink(),
        ModelFileMissing,
        "preprocessor_config.json is missing",
    ),
    "pickled": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
        PickledWeights,
        "pytorch_model.bin is a pickle",
    ),
    "pickled, under another name": (
        lambda folder: write(folder, {"model.safetensors": b"\x80\x02}q\x00."}),
        PickledWeights,
        "model.safetensors is a pickle",
    ),
    "a zip of torch, under another name": (
        lambda folder: write(folder, {"model.safetensors": b"PK\x03\x04" + bytes(100)}),
        PickledWeights,
        "model.safetensors is a pickle",
    ),
    "cut off": (
        lambda folder: write(folder, {"model.safetensors": NO_TENSORS[:-1]}),
        ModelUnavailable,
        "model.safetensors is cut off",
    ),
    "empty": (
        lambda folder: write(folder, {"model.safetensors": b""}),
        ModelUnavailable,
        "model.safetensors is cut off",
    ),
    "remote code": (
        lambda folder: write(folder, {"config.json": {"auto_map": {"AutoModel": "mine.Net"}}}),
        RemoteCode,
        "auto_map",
    ),
    "remote code of the preprocessing": (
        lambda folder: write(folder, {"preprocessor_config.json": {"auto_map": {"A": "mine.P"}}}),
        RemoteCode,
        "preprocessor_config.json",
    ),
    "a class that nobody knows": (
        lambda folder: write(folder, {"config.json": {"architectures": ["MineForImageClassification"]}}),
        UnknownModelClass,
        "MineForImageClassification",
    ),
    "a class that can't be served": (
        lambda folder: write(folder, {"config.json": {"architectures": ["BertModel"]}}),
        UnknownModelClass,
        "BertModel, which belongs to no family",
    ),
    "a class of another family": (
        lambda folder: write(folder, {"config.json": {"architectures": ["CLIPModel"]}}),
        UnknownModelClass,
        "of the family clip, not of image-classifier",
    ),
    "no JSON": (
        lambda folder: write(folder, {"config.json": b"{"}),
        ModelUnavailable,
        "config.json cannot be read",
    ),
    "no JSON object": (
        lambda folder: write(folder, {"config.json": []}),
        ModelUnavailable,
        "config.json cannot be read",
    ),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_folder_that_may_not_be_loaded_is_refused_with_its_own_error(name: str, tmp_path: Path) -> None:
    damage, sort, words = CLASSIFIERS[name]
    folder = classifier(tmp_path / "model")
    assert locate(entry(folder)) == folder
    damage(folder)
    with pytest.raises(ModelUnavailable) as raised:
        locate(entry(folder))
    assert type(raised.value) is sort
    assert raised.value.message.startswith("Model mine: ")
    assert words in raised.value.message
    assert str(folder) in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize(
    ("index", "files", "sort", "words"),
    [
        ({"_class_name": ["mine", "Pipe"]}, {}, RemoteCode, "_class_name"),
        ({"_class_name": "MinePipeline"}, {}, UnknownModelClass, "MinePipeline"),
        ({"_class_name": "FluxPipeline"}, {}, UnknownModelClass, "family flux, not of stable-diffusion"),
        ({"unet": ["mine", "Net"]}, {"unet/mine.py": b""}, RemoteCode, "which is a file of the model"),
        ({"unet": ["mine", "Net"]}, {}, UnknownModelClass, "mine.Net as unet"),
        ({"unet": ["os", "system"]}, {}, UnknownModelClass, "os.system as unet"),
        ({"unet": ["diffusers", "MineModel"]}, {}, UnknownModelClass, "diffusers.MineModel"),
        ({"vae": ["diffusers", "AutoencoderKL"]}, {}, ModelFileMissing, "vae/config.json is missing"),
        ({"tokenizer_2": ["transformers", "CLIPTokenizer"]}, {}, ModelFileMissing, "tokenizer_2/"),
    ],
)
def test_a_pipeline_that_may_not_be_loaded_is_refused(
    index: dict[str, Any], files: dict[str, Any], sort: type[Exception], words: str, tmp_path: Path
) -> None:
    folder = write(pipeline(tmp_path / "model", PIPELINE | index), files)
    with pytest.raises(ModelUnavailable) as raised:
        locate(entry(folder, "stable-diffusion"))
    assert type(raised.value) is sort
    assert words in raised.value.message


def test_a_pinned_hash_must_be_that_of_the_file(tmp_path: Path) -> None:
    folder = classifier(tmp_path / "model")
    assert locate(entry(folder, files={"model.safetensors": sha256(NO_TENSORS)})) == folder
    with pytest.raises(HashMismatch, match="is not the file that was pinned") as raised:
        locate(entry(folder, files={"model.safetensors": "0" * 64}))
    assert raised.value.field == "source.files"
    for name in ("other.safetensors", "../model/config.json", "/etc/hostname"):
        with pytest.raises(ModelFileMissing, match="the catalogue pins it"):
            locate(entry(folder, files={name: "0" * 64}))


def pulled(**more: Any) -> Model:
    source = Source(repository="owner/name", revision=REVISION)
    return Model(name="mine", family="image-classifier", source=source, **more)


def lock(folder: Path) -> None:
    names = [file.relative_to(folder).as_posix() for file in folder.rglob("*")]
    files = {
        name: LockedFile(
            size_bytes=(folder / name).stat().st_size, sha256=sha256((folder / name).read_bytes())
        )
        for name in names
    }
    write_lock(folder, Lock(origin="owner/name", pulled_at=datetime.now(UTC), files=files))


def test_what_was_pulled_is_checked_against_its_lock() -> None:
    place = pulled_place(pulled().source)
    assert place is not None
    with pytest.raises(ModelNotHere, match="owner/name is not on this machine") as raised:
        locate(pulled())
    assert raised.value.hint == "Run: brushwork models pull mine"
    classifier(place)
    assert not is_here(pulled().source), "it was begun and not ended"
    lock(place)
    assert locate(pulled()) == place
    write(place, {"preprocessor_config.json": {"size": 3}})
    with pytest.raises(HashMismatch, match="preprocessor_config"):
        locate(pulled())
    write(place, {"preprocessor_config.json": {}, "tokenizer.json": {}})
    with pytest.raises(HashMismatch, match="is not one of the files that were pulled"):
        locate(pulled())


def test_the_cache_of_other_tools_serves_if_it_has_all(tmp_path: Path) -> None:
    cached = classifier(tmp_path / "hub/models--owner--name/snapshots" / REVISION)
    assert locate(pulled()) == cached
    (cached / "model.safetensors").unlink()
    with pytest.raises(ModelNotHere, match="not on this machine"):
        locate(pulled())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotHere, match="does not exist"):
        locate(entry(tmp_path / "missing"))


def test_a_large_file_is_read_once_until_it_changes(tmp_path: Path, data: Path) -> None:
    folder = write(tmp_path / "model", {"big": b"x" * 100, "small": b"y"})
    names = ["big", "small"]
    first = Fingerprints(folder, remembered_bytes=50).of(names)
    assert first == {"big": sha256(b"x" * 100), "small": sha256(b"y")}
    (kept,) = (data / "models" / "verified").iterdir()
    remembered = json.loads(kept.read_text())
    assert list(remembered) == ["big"]
    # What stands there is believed, so the file was not read again.
    remembered["big"][3] = "believed"
    kept.write_text(json.dumps(remembered))
    assert Fingerprints(folder, remembered_bytes=50).of(names)["big"] == "believed"
    write(folder, {"big": b"z" * 100, "bigger": b"y"})
    (folder / "big").write_bytes(b"z" * 101)
    assert Fingerprints(folder, remembered_bytes=50).of(names)["big"] == sha256(b"z" * 101)
    kept.write_text("no JSON")
    assert Fingerprints(folder, remembered_bytes=50).of(names)["big"] == sha256(b"z" * 101)


def test_a_worker_that_cannot_write_to_its_models_keeps_digests_in_its_cache(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRUSHWORK_CACHE_FILES", str(tmp_path / "cache"))
    folder = write(tmp_path / "model", {"big": b"x" * 100})
    Fingerprints(folder, remembered_bytes=50).of(["big"])
    assert [kept.parent for kept in (tmp_path / "cache").rglob("*.json")] == [tmp_path / "cache" / "verified"]
    assert not (data / "models" / "verified").exists()


def test_a_folder_s_revision_is_of_all_its_files(tmp_path: Path) -> None:
    folder = classifier(tmp_path / "model")
    before = revision(entry(folder), folder)
    assert before == revision(entry(folder), folder)
    write(folder, {"config.json": {"architectures": ["ViTForImageClassification"], "x": 1}})
    assert revision(entry(folder), folder) != before
    assert revision(pulled(), folder) == REVISION
