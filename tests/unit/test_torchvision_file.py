"""Weights that torchvision lists: fetched, checked, and kept as safetensors."""

import hashlib
import io
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from brushwork_core.files.sha256 import sha256_of_file
from brushwork_schemas.errors import HashMismatch, ModelUnavailable, PickledWeights, ServiceUnreachable
from brushwork_workers.models.torchvision_file import FILES, TorchvisionFile
from safetensors.torch import load_file
from torchvision.models import Weights

from tests.hub_server import HubServer

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def saved(state: object) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def offered(hub: HubServer, content: bytes) -> TorchvisionFile:
    """A file of that content, under a name that holds the start of its hash."""
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    hub.files[name] = content
    return TorchvisionFile(Weights(f"{hub.url}/{name}", lambda picture: picture, {"_file_size": 0.5}))


def test_it_becomes_safetensors_and_a_configuration(hub: HubServer, tmp_path: Path) -> None:
    content = saved(STATE)
    file, told = offered(hub, content), list[int]()
    assert file.size_bytes == 512 * 1024
    found = file.fetch(tmp_path, told.append)
    assert {each.name for each in tmp_path.iterdir()} == set(FILES)
    assert found == {name: sha256_of_file(tmp_path / name) for name in FILES}
    kept = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(kept[name], STATE[name]) for name in STATE)
    assert json.loads((tmp_path / "config.json").read_text())["library"] == "torchvision"
    assert sum(told) == len(content)


@pytest.mark.parametrize("num_bytes", [0, 100, None])
def test_what_is_here_already_is_not_fetched_again(
    num_bytes: int | None, hub: HubServer, tmp_path: Path
) -> None:
    content = saved(STATE)
    (tmp_path / "download.part").write_bytes(content[:num_bytes])
    offered(hub, content).fetch(tmp_path, lambda more: None)
    assert [start for _, start in hub.sent] == ([] if num_bytes is None else [num_bytes])


def test_what_was_broken_off_is_kept_for_the_next_try(hub: HubServer, tmp_path: Path) -> None:
    file = offered(hub, saved(STATE))
    hub.cuts[next(iter(hub.files))] = 100
    with pytest.raises(ServiceUnreachable, match="cannot be downloaded"):
        file.fetch(tmp_path, lambda more: None)
    file.fetch(tmp_path, lambda more: None)
    assert [start for _, start in hub.sent] == [0, 100]


def test_another_file_is_deleted(hub: HubServer, tmp_path: Path) -> None:
    file = offered(hub, saved(STATE))
    hub.files = dict.fromkeys(hub.files, b"something else")
    with pytest.raises(HashMismatch, match="not the file that torchvision published"):
        file.fetch(tmp_path, lambda more: None)
    assert not list(tmp_path.iterdir())


class Trap:
    """What runs when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._trace,)


def pickled(state: object) -> bytes:
    return pickle.dumps(state, protocol=2)


@pytest.mark.parametrize("write", [saved, pickled])
def test_what_holds_more_than_tensors_is_refused_and_does_not_run(
    write: Callable[[object], bytes], hub: HubServer, tmp_path: Path
) -> None:
    file = offered(hub, write({"a": Trap(tmp_path / "trap")}))
    with pytest.raises(PickledWeights, match="other objects than tensors"):
        file.fetch(tmp_path / "net", lambda more: None)
    assert not (tmp_path / "trap").exists()


def test_a_mirror_takes_the_place_of_the_official_address(monkeypatch: pytest.MonkeyPatch) -> None:
    file = TorchvisionFile.named("ResNet50_Weights.IMAGENET1K_V2")
    assert file.url == "https://download.pytorch.org/models/resnet50-11ad3fa6.pth"
    monkeypatch.setenv("TORCHVISION_MIRROR", "http://here/")
    assert file.url == "http://here/resnet50-11ad3fa6.pth"


@pytest.mark.parametrize("name", ["ResNet50_Weights.NONE", "Nothing.V1", "Nothing"])
def test_weights_that_torchvision_does_not_list_are_refused(name: str) -> None:
    with pytest.raises(ModelUnavailable, match="lists no weights"):
        TorchvisionFile.named(name)
