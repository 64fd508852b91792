"""Requests on their way to jobs: what many of them share is read and stored once."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from brushwork.inputs.file_inputs import FileInputs, Read
from brushwork.inputs.intake import PreparedJob, SubmissionIntake
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import InvalidDataset, InvalidImage

from tests.clients import png

LOOK = {"kind": "image-classification"}


class Counted(FileInputs):
    """Counts what it does."""

    num_read = num_kept = 0

    def read(self, given: object, field: str, *, first_frame: bool = False) -> Read:
        self.num_read += 1
        return super().read(given, field, first_frame=first_frame)

    def keep(self, read: Read) -> Artifact:
        self.num_kept += 1
        return super().keep(read)


@pytest.fixture
def files() -> Counted:
    return Counted(ArtifactStore("memory:///"), max_dataset_bytes=2**20)


def completed(files: FileInputs, *requests: dict[str, Any]) -> list[PreparedJob]:
    intake = SubmissionIntake(Catalogue.load(None), files)
    return intake.prepare(intake.draft(requests))


def test_one_picture_of_many_requests(files: Counted, tmp_path: Path) -> None:
    (file := tmp_path / "red.png").write_bytes(png("red"))
    same, given = png("green"), [str(file), png("blue")]
    requests = [{**LOOK, "image": image} for image in [*given, same, *given, same]]
    done = completed(files, *requests)
    assert (files.num_read, files.num_kept) == (3, 3)
    names = [complete.inputs[0].sha256 for complete in done]
    assert names[:3] == names[3:]
    assert len(set(names[:3])) == 3


PAINT = {"kind": "inpainting", "prompt": "a red circle"}
TRAIN = {"kind": "image-classification-training"}


def dataset_of(done: PreparedJob) -> str:
    named: str = done.admitted.request.model_dump()["dataset"]
    return named


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return buffer.getvalue()


def test_a_request_may_name_several_pictures(files: Counted) -> None:
    image, mask = png("red"), png("white")
    (done,) = completed(files, {**PAINT, "mask_image": mask, "image": image})
    named = done.admitted.request.model_dump()
    assert [artifact.sha256 for artifact in done.inputs] == [named["image"], named["mask_image"]]
    assert named["image"] != named["mask_image"]


def test_an_error_names_the_picture_that_is_wrong_and_nothing_is_stored(files: Counted) -> None:
    with pytest.raises(InvalidImage, match="mask_image") as raised:
        completed(files, {**PAINT, "image": png("red"), "mask_image": b"none"})
    assert (raised.value.field, files.num_kept) == ("mask_image", 0)


def test_a_key_stands_for_all_files_of_a_request(files: Counted) -> None:
    def digest(**given: bytes) -> str | None:
        (done,) = completed(files, {**PAINT, **given, "idempotency_key": "k"})
        return done.sha256

    one = digest(image=png("red"), mask_image=png("white"))
    assert one == digest(mask_image=png("white"), image=png("red"))
    assert one != digest(image=png("white"), mask_image=png("red"))


@pytest.mark.parametrize("way", ["bytes", "path", "str", "file"])
def test_each_way_to_give_a_data_set_stores_the_same(files: Counted, tmp_path: Path, way: str) -> None:
    data = zipped(cat__1=b"a", dog__1=b"b")
    (path := tmp_path / "animals").write_bytes(data)
    ways: dict[str, Any] = {"bytes": data, "path": path, "str": str(path), "file": io.BytesIO(data)}
    (done,) = completed(files, {**TRAIN, "dataset": ways[way]})
    (named,) = completed(files, {**TRAIN, "dataset": done.inputs[0]})
    assert dataset_of(named) == dataset_of(done)
    assert named.inputs == done.inputs
    assert (done.inputs[0].media_type, done.inputs[0].size_bytes) == ("application/zip", len(data))


def test_a_folder_is_packed_and_gives_the_same_archive_again(tmp_path: Path, files: Counted) -> None:
    for name in ("cat/1.png", "dog/1.png", "dog/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png())
    store = ArtifactStore("memory:///")
    inputs = FileInputs(store, max_dataset_bytes=2**20)
    (first,) = completed(inputs, {**TRAIN, "dataset": tmp_path})
    with zipfile.ZipFile(io.BytesIO(store.get(dataset_of(first)))) as archive:
        assert archive.namelist() == ["cat/1.png", "dog/1.png"]
        assert archive.read("dog/1.png") == png()
    (again,) = completed(inputs, {**TRAIN, "dataset": str(tmp_path)})
    assert dataset_of(again) == dataset_of(first)


@pytest.mark.parametrize(
    "given", [b"no archive", b"", 5, "f" * 64, "/none/such", "/dev/zero", png()], ids=str
)
def test_what_is_no_data_set_is_refused(files: Counted, given: Any) -> None:
    with pytest.raises(InvalidDataset, match=r"^dataset: ") as raised:
        completed(files, {**TRAIN, "dataset": given})
    assert (raised.value.field, files.num_kept) == ("dataset", 0)


def test_a_data_set_that_is_too_large_is_refused(files: Counted) -> None:
    with pytest.raises(InvalidDataset, match="more than 1048576"):
        completed(files, {**TRAIN, "dataset": zipped(cat__1=bytes(2**20))})
