"""The desk of a running job: what it notes on the hold."""

import io

import pytest
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Claim
from brushwork_schemas.job import Progress
from brushwork_workers.execution.attempt import Hold
from brushwork_workers.execution.job_context import JobDesk
from PIL import Image


@pytest.fixture
def hold() -> Hold:
    return Hold(Claim(job_id="a", kind="k", model="m", request={}, fence=1, attempt=1, queued_s=0.0))


@pytest.fixture
def desk(hold: Hold) -> JobDesk:
    return JobDesk(hold, ArtifactStore("memory:///"))


def test_a_step_is_noted(hold: Hold, desk: JobDesk) -> None:
    desk.step(3, 20)
    assert hold.progress == Progress(step=3, total=20)


def test_a_preview_is_wanted_while_somebody_looks_and_once_a_second(hold: Hold) -> None:
    now = [100.0]
    desk = JobDesk(hold, ArtifactStore("memory:///"), clock=lambda: now[0])
    assert desk.wants_preview() is False
    hold.is_watched = True
    assert desk.wants_preview() is True
    desk.preview(Image.new("RGB", (8, 8)))
    now[0] += 0.9
    assert desk.wants_preview() is False
    now[0] += 0.1
    assert desk.wants_preview() is True


@pytest.mark.parametrize(
    ("size", "shown"), [((64, 48), (64, 48)), ((1024, 512), (256, 128)), ((100, 900), (28, 256))]
)
def test_a_preview_is_a_small_plain_jpeg_of_its_step(
    hold: Hold, desk: JobDesk, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    picture = Image.effect_noise(size, 90)
    picture.info["comment"] = b"a private word"
    desk.step(7, 20)
    desk.preview(picture)
    assert hold.preview is not None
    assert (hold.preview.step, hold.preview.total) == (7, 20)
    with Image.open(io.BytesIO(hold.preview.jpeg)) as opened:
        assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", shown)
        assert set(opened.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert hold.preview.pil().size == shown
