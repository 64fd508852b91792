"""The clients' conformance suite: every way to give a data set, and what is none."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from brushwork import RequestError
from brushwork_schemas.errors import InvalidDataset

from tests.clients import Stand, png
from tests.integration.test_client_pictures import Located, Pipe

inputs = pytest.mark.inputs("decided before the ways of threads and of tasks part")
KIND = "image-classification-training"


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("cat/1.png", "dog/1.png"):
            archive.writestr(zipfile.ZipInfo(name), png())
    return buffer.getvalue()


@inputs
@pytest.mark.parametrize(
    "way", ["path", "str", "os.PathLike", "bytes", "file", "text mode", "pipe", "artifact", "name"]
)
def test_each_way_to_give_a_data_set_stores_the_same(stand: Stand, tmp_path: Path, way: str) -> None:
    data = zipped()
    (path := tmp_path / "animals.zip").write_bytes(data)
    first = stand.client.upload(data)
    ways: dict[str, Any] = {
        "path": path, "str": str(path), "bytes": data, "file": io.BytesIO(data), "artifact": first,
        "name": first.sha256, "os.PathLike": Located(path), "pipe": Pipe(data),
    }  # fmt: skip
    with path.open() as text:
        job = stand.client.submit(KIND, dataset={**ways, "text mode": text}[way])
        assert not text.closed
    assert not ways["file"].closed
    assert job.request.dataset == first.sha256
    assert stand.client.artifact_bytes(first.sha256) == data
    assert stand.hand.num_stored() == (1, 1)
    stand.client.cancel(job.id)
    again = stand.client.retry(job.id, num_train_epochs=2)
    assert (again.request.dataset, again.request.num_train_epochs) == (first.sha256, 2)


def test_a_folder_of_class_folders_is_packed(client: Any, tmp_path: Path) -> None:
    animals = tmp_path / "animals"
    for name in ("cat/1.png", "dog/1.png"):
        (animals / name).parent.mkdir(parents=True)
        (animals / name).write_bytes(png())
    brought = client.upload(animals)
    assert brought.media_type == "application/zip"
    first, other = client.submit_many([{"kind": KIND, "dataset": animals}] * 2)
    assert first.request.dataset == other.request.dataset == brought.sha256


@inputs
@pytest.mark.parametrize(
    "dataset", [b"no archive", b"", "f" * 64, "", "a\0b", "/none/such", 5.0, [], png()], ids=str
)
def test_what_is_no_data_set_is_refused(stand: Stand, dataset: Any) -> None:
    with pytest.raises(RequestError) as raised:
        stand.client.submit(KIND, dataset=dataset)
    assert (raised.value.field, stand.hand.num_stored()) == ("dataset", (0, 0))
    assert isinstance(raised.value, InvalidDataset)


def test_several_pictures_go_together(stand: Stand) -> None:
    job = stand.client.submit("inpainting", prompt="x", image=png("red"), mask_image=png("white"))
    assert job.request.image != job.request.mask_image
    for name in (job.request.image, job.request.mask_image):
        assert stand.client.artifact_bytes(name).startswith(b"\x89PNG")
    with pytest.raises(RequestError) as raised:
        stand.client.submit("inpainting", prompt="x", image=png("red"), mask_image=b"none")
    assert raised.value.field == "mask_image"
