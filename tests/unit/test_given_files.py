"""Of the files of one call, memory holds few at a time, and all pictures together have a limit."""

import pytest
from brushwork.inputs import given_files
from brushwork.inputs.file_inputs import FileInputs, Read
from brushwork.inputs.given_files import GivenFiles
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import InvalidImage

from tests.clients import png


class Noted(FileInputs):
    """Notes what it does, in order."""

    def __init__(self) -> None:
        super().__init__(ArtifactStore("memory:///"), max_dataset_bytes=2**20)
        self.done: list[str] = []

    def read(self, given: object, field: str, *, first_frame: bool = False) -> Read:
        self.done.append("read")
        return super().read(given, field, first_frame=first_frame)

    def keep(self, read: Read) -> Artifact:
        self.done.append("keep")
        return super().keep(read)


COLOURS = ["red", "green", "blue", "white"]


def test_large_files_are_stored_before_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_files, "MAX_HELD_BYTES", 0)
    inputs = Noted()
    with GivenFiles(inputs) as files:
        numbers = [files.read(png(colour), "image") for colour in COLOURS]
        assert inputs.done == ["read", "keep"] * 4
        assert len({files.kept(number).sha256 for number in numbers}) == 4
    assert inputs.done == ["read", "keep"] * 4


def test_small_files_are_stored_after_all_were_read() -> None:
    inputs = Noted()
    with GivenFiles(inputs) as files:
        numbers = [files.read(png(colour), "image") for colour in [*COLOURS, "red"]]
        assert inputs.done == ["read"] * 4
        kept = [files.kept(number) for number in numbers]
    assert inputs.done == ["read"] * 4 + ["keep"] * 4
    assert kept[0] == kept[4]


def test_pictures_of_a_call_have_a_limit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    size = png("red")
    with GivenFiles(Noted()) as files:
        files.read(size, "image")
        pixels = files._pixels
    monkeypatch.setattr(given_files, "MAX_PIXELS", 2 * pixels)
    with GivenFiles(Noted()) as files:
        for colour in COLOURS[:3]:
            files.read(png(colour), "image")
        with pytest.raises(InvalidImage, match="more than 0 megapixels together") as raised:
            files.read(png(COLOURS[3]), "mask_image")
        # Whatever was sent before may be named again.
        files.read(png(COLOURS[0]), "image")
    assert raised.value.field == "mask_image"
    assert raised.value.hint
