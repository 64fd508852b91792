"""Requests on their way to jobs: what many of them share is read and stored once."""

from pathlib import Path

import pytest
from brushwork.doors.intake import Intake
from brushwork.image_input import ImageInputs
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.artifact_store import ArtifactStore
from brushwork_schemas.catalogue import Catalogue

from tests.clients import png

LOOK = {"kind": "image-classification"}


class Counted(ImageInputs):
    """Counts what it does."""

    num_read = num_kept = 0

    def read(self, given: object) -> Artifact | bytes:
        self.num_read += 1
        return super().read(given)

    def keep(self, picture: Artifact | bytes) -> Artifact:
        self.num_kept += 1
        return super().keep(picture)


@pytest.fixture
def images() -> Counted:
    return Counted(ArtifactStore("memory:///"))


def test_one_picture_of_many_requests(images: Counted, tmp_path: Path) -> None:
    (file := tmp_path / "red.png").write_bytes(png("red"))
    same, given = png("green"), [str(file), png("blue")]
    requests = [{**LOOK, "image": image} for image in [*given, same, *given, same]]
    done = Intake(Catalogue.load(None), images).complete(requests)
    assert (images.num_read, images.num_kept) == (3, 3)
    names = [complete.inputs[0].sha256 for complete in done]
    assert names[:3] == names[3:]
    assert len(set(names[:3])) == 3
