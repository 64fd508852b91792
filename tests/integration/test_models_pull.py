"""`brushwork models pull`, `add` and `check`, as an operator types them, against a hub on this machine."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from brushwork.cli import main
from brushwork_core.files.model_folders import pulled_place, read_lock
from brushwork_schemas.catalogue import Catalogue
from huggingface_hub import constants

from tests.checkpoints.classifiers import save_vit
from tests.hub_server import COMMIT, TOKEN, HubServer
from tests.tiny_models import save_stable_diffusion

CATALOGUE = f"""
# Mine, with a remark.
[models.vit]
family = "image-classifier"
source = {{ repository = "someone/vit", revision = "{COMMIT}" }}
licence = "MIT"

[models.painter]
family = "stable-diffusion"
source = {{ repository = "someone/painter", revision = "{COMMIT}", variant = "fp16" }}

[models.gated]
family = "image-classifier"
source = {{ repository = "someone/gated", revision = "{COMMIT}" }}

[models.pickled]
family = "image-classifier"
source = {{ repository = "someone/pickled", revision = "{COMMIT}" }}

[models.unknown]
family = "image-classifier"
source = {{ repository = "nobody/nothing", revision = "{COMMIT}" }}

# Described when it is pulled.
[models.open]
family = "diffusers"
source = {{ repository = "someone/consistent", revision = "{COMMIT}" }}
defaults = {{ num_inference_steps = 3 }}  # as its card says

[models.open-by-table]
family = "diffusers"
source.repository = "someone/consistent"
source.revision = "{COMMIT}"
[models.open-by-table.defaults.text-to-image]
guidance_scale = 2.0

[models.wrong]
family = "diffusers"
source = {{ repository = "someone/consistent", revision = "{COMMIT}" }}
defaults = {{ negative_prompt = "blue" }}

[models.depth]
family = "diffusers"
source = {{ repository = "someone/depth", revision = "{COMMIT}" }}

[loras.style]
family = "stable-diffusion"
source = {{ repository = "someone/style", revision = "{COMMIT}" }}

[controlnets.edges]
family = "stable-diffusion"
source = {{ repository = "someone/edges", revision = "{COMMIT}" }}

[models.untrue]
family = "torchvision-classifier"
source = {{ weights = "ShuffleNet_V2_X1_0_Weights.IMAGENET1K_V1" }}
"""


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_vit(folder / "vit")
    save_stable_diffusion(folder / "painter")
    found = {
        name: {
            file.relative_to(folder / name).as_posix(): file.read_bytes()
            for file in (folder / name).rglob("*")
            if file.is_file()
        }
        for name in ("vit", "painter")
    }
    vit, painter = found["vit"], found["painter"]
    painter["unet/diffusion_pytorch_model.fp16.safetensors"] = painter[
        "unet/diffusion_pytorch_model.safetensors"
    ]
    plain = json.loads(painter["model_index.json"])
    consistent = json.dumps({**plain, "_class_name": "LatentConsistencyModelPipeline"}).encode()
    depth = json.dumps({**plain, "_class_name": "MarigoldDepthPipeline"}).encode()
    more = {"README.md": b"# It", "pytorch_model.bin": b"\x80\x02}q\x00."}
    pickled = {name: content for name, content in vit.items() if not name.endswith(".safetensors")}
    return {
        "someone/vit": {**vit, **more},
        "someone/gated": dict(vit),
        "someone/painter": {**painter, "v1-5.ckpt": b"x", "unet/diffusion_pytorch_model.bin": b"x"},
        "someone/consistent": {**painter, "model_index.json": consistent},
        "someone/depth": {**painter, "model_index.json": depth},
        "someone/pickled": {**pickled, **more},
        "someone/style": {"style.safetensors": vit["model.safetensors"], **more},
        "someone/edges": {
            "config.json": b'{"_class_name": "ControlNetModel"}',
            "diffusion_pytorch_model.safetensors": vit["model.safetensors"],
            **more,
        },
    }


@pytest.fixture
def hub(checkpoints: dict[str, dict[str, bytes]]) -> Iterator[HubServer]:
    with HubServer() as server:
        server.repositories = {name: dict(files) for name, files in checkpoints.items()}
        server.gated = {"someone/gated"}
        yield server


class Operator:
    """A terminal with a hub, a data folder and a catalogue."""

    def __init__(self, catalogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.catalogue = catalogue
        self._capsys = capsys

    def __call__(self, *arguments: str, status: int = 0) -> str:
        """What both streams of `brushwork models ...` say."""
        with pytest.raises(SystemExit) as ended:
            main(["models", *arguments])
        captured = self._capsys.readouterr()
        said = " ".join((captured.out + captured.err).split())
        assert int(ended.value.code or 0) == status, said
        return said


@pytest.fixture
def brushwork(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Operator:
    # The hub's own package has read its environment long ago.
    files = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # The command sets it where nobody has: not for the tests that come after.
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("TORCHVISION_MIRROR", f"{hub.url}/torchvision")
    catalogue = tmp_path / "data" / "catalogue.toml"
    catalogue.parent.mkdir()
    catalogue.write_text(CATALOGUE)
    return Operator(catalogue, capsys)


def place(brushwork: Operator, name: str) -> Path:
    """Where the files of that name go."""
    found = pulled_place(Catalogue.load(brushwork.catalogue).entry(name).source)
    assert found is not None
    return found


def test_a_dry_run_says_what_and_how_much_and_fetches_no_weights(brushwork: Operator, hub: HubServer) -> None:
    said = brushwork("pull", "vit", "painter", "--dry-run")
    vit, painter = hub.repositories["someone/vit"], hub.repositories["someone/painter"]
    weights = "unet/diffusion_pytorch_model.fp16.safetensors"
    assert f"{len(vit['model.safetensors']):,} model.safetensors" in said
    assert f"{len(painter[weights]):,} {weights}" in said
    for left_out in ("README.md", ".bin", ".ckpt", "unet/diffusion_pytorch_model.safetensors"):
        assert left_out not in said
    assert "licence: MIT, see https://huggingface.co/someone/vit" in said
    assert "licence: apache-2.0" in said, "of the hub, for the catalogue says nothing"
    assert not any(name.endswith(".safetensors") for name, _ in hub.sent)
    assert not place(brushwork, "vit").exists()


def test_what_is_needed_is_fetched_checked_and_locked(brushwork: Operator, hub: HubServer) -> None:
    assert "to pull" in brushwork("list", "--kind", "image-classification")
    assert "Run: brushwork models pull vit" in brushwork("check", "vit", status=3)
    assert "vit is in" in brushwork("pull", "vit")
    folder = place(brushwork, "vit")
    lock = read_lock(folder)
    assert lock is not None
    assert (lock.origin, lock.revision) == ("someone/vit", COMMIT)
    sent = hub.repositories["someone/vit"]
    assert set(lock.files) == {"config.json", "preprocessor_config.json", "model.safetensors"}
    for name, locked in lock.files.items():
        assert (folder / name).read_bytes() == sent[name]
        assert (locked.size_bytes, locked.sha256) == (len(sent[name]), hashlib.sha256(sent[name]).hexdigest())
    (found,) = json.loads(brushwork("check", "vit", "--json"))
    assert found == {"name": "vit", "ok": True, "files": "whole", "about": str(folder)}


def test_what_was_broken_off_goes_on_and_what_was_damaged_comes_anew(
    brushwork: Operator, hub: HubServer
) -> None:
    weights = "model.safetensors"
    hub.cuts[weights] = 5000
    brushwork("pull", "vit")
    assert [start for name, start in hub.sent if name == weights] == [0, 5000]
    file = place(brushwork, "vit") / weights
    whole = file.read_bytes()
    file.write_bytes(b"x" * len(whole))
    assert "hash_mismatch" in brushwork("check", "vit", status=3)
    hub.sent.clear()
    assert "all on this machine; only the check is left" in brushwork("pull", "vit")
    assert file.read_bytes() == whole
    assert [name for name, _ in hub.sent if name.endswith(".safetensors")] == [weights]


def test_a_file_that_is_not_what_the_hub_says_is_not_kept(brushwork: Operator, hub: HubServer) -> None:
    sent = hub.repositories["someone/vit"]
    hub.claims["model.safetensors"] = sent["model.safetensors"][::-1]
    assert "model.safetensors of someone/vit arrived damaged" in brushwork("pull", "vit", status=3)
    assert not (place(brushwork, "vit") / "model.safetensors").exists()
    assert read_lock(place(brushwork, "vit")) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gated", ["users who have accepted its licence", "huggingface.co/someone/gated", "HF_TOKEN"]),
        ("pickled", ["pytorch_model.bin is a pickle", "Only .safetensors"]),
        ("unknown", ["no repository nobody/nothing"]),
        ("unkown", ["not in the catalogue", "Did you mean unknown"]),
        ("pocket-captioner", ["do not come from a repository"]),
    ],
)  # fmt: skip
def test_what_can_t_be_pulled_says_why(name: str, words: list[str], brushwork: Operator) -> None:
    status = 2 if name in ("unkown", "pocket-captioner") else 3
    said = brushwork("pull", name, status=status)
    assert all(word in said for word in words), said


def test_what_is_added_to_models_is_pulled_likewise(brushwork: Operator) -> None:
    said = brushwork("pull", "style", "edges")
    assert "style is in" in said
    assert "edges is in" in said
    assert [file.name for file in place(brushwork, "style").iterdir() if file.is_file()] == [
        "style.safetensors"
    ]
    assert not list(place(brushwork, "edges").glob("*.bin"))
    assert brushwork("check", "style", "edges").count("whole") == 2


def test_a_token_opens_what_is_gated(brushwork: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert "gated is in" in brushwork("pull", "gated")


def test_the_command_itself_reaches_the_hub_that_workers_never_ask(
    brushwork: Operator, hub: HubServer, tmp_path: Path
) -> None:
    without = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-m", "brushwork", "models", "pull", "vit"],
        env={**without, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "vit is in" in " ".join(done.stderr.split())


def test_torchvision_s_weights_that_are_not_those_are_not_kept(brushwork: Operator, hub: HubServer) -> None:
    hub.files["torchvision/shufflenetv2_x1-5666bf0f80.pth"] = b"something else"
    assert "is not the file that torchvision published" in brushwork("pull", "untrue", status=3)
    assert not list(place(brushwork, "untrue").iterdir())


def test_a_folder_is_added_and_the_file_s_remarks_stay(brushwork: Operator, tmp_path: Path) -> None:
    folder = save_vit(tmp_path / "mine")
    assert "Added mine of the family image-classifier" in brushwork("add", "mine", "--folder", str(folder))
    text = brushwork.catalogue.read_text()
    assert "# Mine, with a remark." in text
    assert Catalogue.load(brushwork.catalogue).named("mine", "image-classification").source.folder == folder
    assert "whole" in brushwork("check", "mine")
    assert "already has an entry models.mine" in brushwork("add", "mine", "--folder", str(folder), status=2)
    (folder / "model.safetensors").unlink()
    assert "model.safetensors is missing" in brushwork("add", "other", "--folder", str(folder), status=3)
    assert "models.other" not in brushwork.catalogue.read_text()


def test_a_repository_is_added_by_its_configurations_and_pulled_then(
    brushwork: Operator, hub: HubServer
) -> None:
    chosen = ["--repository", "someone/painter", "--revision", COMMIT]
    said = brushwork("add", "mine", *chosen)
    assert "family stable-diffusion" in said
    assert "brushwork models pull mine" in said
    assert not any(name.endswith(".safetensors") for name, _ in hub.sent)
    entry = Catalogue.load(brushwork.catalogue).named("mine", "text-to-image")
    assert (entry.source.repository, entry.licence) == ("someone/painter", "apache-2.0")
    assert "mine is in" in brushwork("pull", "mine")
    refused = brushwork("add", "x", "--repository", "someone/pickled", "--revision", COMMIT, status=3)
    assert "pytorch_model.bin is a pickle" in refused
    assert "all 40 digits" in brushwork("add", "x", "--repository", "someone/vit", status=2)


@pytest.mark.parametrize(
    ("name", "field", "value"), [("open", "num_inference_steps", 3), ("open-by-table", "guidance_scale", 2.0)]
)
def test_a_pipeline_is_described_when_it_is_pulled(
    brushwork: Operator, name: str, field: str, value: float
) -> None:
    before = brushwork.catalogue.read_text()
    assert Catalogue.load(brushwork.catalogue).entry(name).kinds == ()
    assert brushwork("pull", name, "--dry-run")
    assert brushwork.catalogue.read_text() == before
    assert f"{name} serves text-to-image, image-to-image" in brushwork("pull", name)
    model = Catalogue.load(brushwork.catalogue).named(name, "text-to-image")
    assert model.pipeline.class_name == "LatentConsistencyModelPipeline"
    assert not model.accepts_field("text-to-image", "negative_prompt")
    assert model.defaults_of("text-to-image")[field] == value
    after = brushwork.catalogue.read_text()
    # Everything else stays as it was, with its remarks.
    assert set(before.splitlines()) <= set(after.splitlines())
    assert "serves" not in brushwork("pull", name)
    assert brushwork.catalogue.read_text() == after


@pytest.mark.parametrize(
    ("name", "reason", "status"),
    [
        ("wrong", "has no parameter negative_prompt", 2),
        ("depth", "MarigoldDepthPipeline of diffusers cannot be served", 3),
    ],
)
def test_a_pipeline_that_does_not_fit_its_entry_is_not_downloaded(
    brushwork: Operator, hub: HubServer, name: str, reason: str, status: int
) -> None:
    before = brushwork.catalogue.read_text()
    assert reason in brushwork("pull", name, status=status)
    assert not any(file.endswith(".safetensors") for file, _ in hub.sent)
    assert brushwork.catalogue.read_text() == before
