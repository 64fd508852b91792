"""ModelScope as a source: pulled from a stand-in of its API, with pinned commits and hashes."""

import hashlib
import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from brushwork_core.files.model_folders import is_here, place_of, read_lock
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import (
    HashMismatch,
    ModelFileMissing,
    ModelUnavailable,
    PickledWeights,
    ServiceUnreachable,
)
from brushwork_workers.models.location import locate
from brushwork_workers.models.pulling import plan
from brushwork_workers.models.recognition import recognise
from brushwork_workers.models.revision import revision
from pydantic import ValidationError

from tests.modelscope_server import COMMIT, TOKEN, ModelScopeServer

NO_TENSORS = b"\x02\x00\x00\x00\x00\x00\x00\x00{}"
FILES = {
    "config.json": json.dumps({"architectures": ["ViTForImageClassification"]}).encode(),
    "preprocessor_config.json": b"{}",
    "model.safetensors": NO_TENSORS,
    "pytorch_model.bin": b"a pickle",
    "README.md": b"# It",
    "onnx/model.onnx": b"x",
}
# Long enough that a part of it arrives.
LONG = b'\x10\x27\x00\x00\x00\x00\x00\x00{"__metadata__": {"a": "' + b"x" * (10_000 - 27) + b'"}}'


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelScopeServer]:
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("BRUSHWORK_MODEL_FILES", raising=False)
    monkeypatch.delenv("MODELSCOPE_API_TOKEN", raising=False)
    with ModelScopeServer() as server:
        server.repositories["someone/vit"] = dict(FILES)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
        yield server


def entry(repository: str = "someone/vit", commit: str = COMMIT) -> Model:
    return Model(name="vit", family="image-classifier", source=Source(modelscope=repository, revision=commit))


def pulled(model: Model) -> Path:
    return plan(model).run(lambda num_bytes: None)


def test_only_what_loading_reads_is_pulled_checked_and_locked(server: ModelScopeServer) -> None:
    model = entry()
    found = plan(model)
    assert set(found.files) == {"config.json", "preprocessor_config.json", "model.safetensors"}
    assert (found.licence, found.page) == ("Apache License 2.0", f"{server.url}/models/someone/vit")
    assert not is_here(model.source)
    folder = found.run(lambda num_bytes: None)
    assert folder == place_of(model.source)
    assert folder.parent.parent.name == "modelscope"
    assert {path.name for path in folder.iterdir() if path.is_file()} == set(found.files)
    lock = read_lock(folder)
    assert lock is not None
    assert (lock.origin, lock.revision) == ("modelscope:someone/vit", COMMIT)
    for name, locked in lock.files.items():
        assert locked.sha256 == hashlib.sha256(FILES[name]).hexdigest()
    assert (locate(model), revision(model, folder)) == (folder, COMMIT)


def test_an_entry_is_made_from_the_configurations_alone(server: ModelScopeServer) -> None:
    found = recognise("mine", Source(modelscope="someone/vit", revision=COMMIT))
    assert found.table == {
        "family": "image-classifier",
        "source": {"modelscope": "someone/vit", "revision": COMMIT},
        "licence": "Apache License 2.0",
    }
    assert {name for name, _ in server.sent} == {"config.json", "preprocessor_config.json"}


def test_a_download_continues_and_whole_files_are_kept(server: ModelScopeServer) -> None:
    server.repositories["someone/vit"]["model.safetensors"] = LONG
    server.cuts["model.safetensors"] = 4000
    with pytest.raises(ServiceUnreachable):
        pulled(entry())
    pulled(entry())
    weights = [start for name, start in server.sent if name == "model.safetensors"]
    assert weights == [0, 4000]
    server.sent.clear()
    pulled(entry())
    assert "model.safetensors" not in {name for name, _ in server.sent}


def test_a_part_that_was_damaged_is_fetched_anew(server: ModelScopeServer) -> None:
    server.repositories["someone/vit"]["model.safetensors"] = LONG
    server.cuts["model.safetensors"] = 4000
    with pytest.raises(ServiceUnreachable):
        pulled(entry())
    folder = place_of(entry().source)
    assert folder is not None
    (folder / "model.safetensors.part").write_bytes(b"x" * 4000)
    assert (pulled(entry()) / "model.safetensors").read_bytes() == LONG


def test_a_file_that_is_not_what_the_listing_says_is_not_kept(server: ModelScopeServer) -> None:
    server.claims["model.safetensors"] = "0" * 64
    with pytest.raises(HashMismatch, match=r"model\.safetensors of someone/vit arrived damaged"):
        pulled(entry())
    folder = place_of(entry().source)
    assert folder is not None
    assert not (folder / "model.safetensors").exists()
    assert read_lock(folder) is None


def test_a_file_without_a_hash_is_not_pulled(server: ModelScopeServer) -> None:
    server.claims["model.safetensors"] = None
    with pytest.raises(ModelUnavailable, match=r"states no SHA-256 of model\.safetensors"):
        pulled(entry())


@pytest.mark.parametrize("status", [HTTPStatus.NOT_FOUND, HTTPStatus.OK])
@pytest.mark.parametrize(
    ("repository", "commit", "words"),
    [
        ("nobody/nothing", COMMIT, "no repository nobody/nothing"),
        ("someone/vit", "0" * 40, "with the commit 0000"),
        ("someone/hidden", COMMIT, "does not give access to someone/hidden"),
    ],
)
def test_what_cannot_be_listed_is_told_whatever_the_status(
    repository: str, commit: str, words: str, status: HTTPStatus, server: ModelScopeServer
) -> None:
    server.repositories["someone/hidden"] = dict(FILES)
    server.private = {"someone/hidden"}
    server.error_status = status
    with pytest.raises(ModelUnavailable, match=words) as raised:
        plan(entry(repository, commit))
    assert "MODELSCOPE_API_TOKEN" in str(raised.value.hint)


def test_a_token_opens_what_is_private(server: ModelScopeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.private = {"someone/vit"}
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", TOKEN)
    assert locate(entry()) if is_here(entry().source) else pulled(entry()).is_dir()


def test_pickles_missing_files_and_names_outside_of_the_folder(server: ModelScopeServer) -> None:
    files = server.repositories["someone/vit"]
    server.more = ["../outside.json", "/etc/passwd"]
    assert plan(entry()).files.keys() == {"config.json", "preprocessor_config.json", "model.safetensors"}
    del files["model.safetensors"]
    with pytest.raises(PickledWeights):
        plan(entry())
    del files["config.json"]
    with pytest.raises(ModelFileMissing):
        plan(entry())


def test_a_listing_that_is_cut_off_is_not_taken_for_all_files(server: ModelScopeServer) -> None:
    server.more = [f"shard-{number}.txt" for number in range(3000)]
    with pytest.raises(ModelUnavailable, match="only the first 3000 files"):
        plan(entry())


def test_a_server_that_is_away_is_told_with_the_setting(
    server: ModelScopeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ServiceUnreachable) as raised:
        plan(entry())
    assert "MODELSCOPE_ENDPOINT" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"modelscope": "someone/vit"}, "must be pinned"),
        ({"modelscope": "someone/vit", "revision": "master"}, "revision"),
        ({"modelscope": "vit", "revision": COMMIT}, "modelscope"),
        ({"modelscope": "a/../b", "revision": COMMIT}, "modelscope"),
        ({"modelscope": "someone/vit", "repository": "someone/vit", "revision": COMMIT}, "exactly one of"),
        ({"folder": "/x", "base": "sdxl"}, "only a source with `file`"),
    ],
)
def test_a_source_that_is_not_pinned_or_not_one_is_refused(source: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Source.model_validate(source)
