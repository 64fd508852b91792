"""The desk of a running job: what it notes on the hold."""

import io

import pytest
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Claim
from brushwork_schemas.job import Progress
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.job_context import AttemptContext
from PIL import Image

from tests.stations import context_of


@pytest.fixture
def attempt() -> Attempt:
    return Attempt(Claim(job_id="a", kind="k", model="m", request={}, fence=1, attempt=1, queued_s=0.0))


@pytest.fixture
def database(sqlite_url: str) -> Database:
    return Database(sqlite_url)


@pytest.fixture
def context(attempt: Attempt, database: Database) -> AttemptContext:
    return context_of(attempt, ArtifactStore("memory:///"), database)


def test_a_step_is_noted(attempt: Attempt, context: AttemptContext) -> None:
    context.progress(3, 20)
    assert attempt.progress == Progress(step=3, total=20)


def test_a_preview_is_wanted_while_somebody_looks_and_once_a_second(
    attempt: Attempt, database: Database
) -> None:
    now = [100.0]
    context = context_of(attempt, ArtifactStore("memory:///"), database, clock=lambda: now[0])
    assert context.wants_preview() is False
    attempt.is_watched = True
    assert context.wants_preview() is True
    context.show_preview(Image.new("RGB", (8, 8)))
    now[0] += 0.9
    assert context.wants_preview() is False
    now[0] += 0.1
    assert context.wants_preview() is True


@pytest.mark.parametrize(
    ("size", "shown"), [((64, 48), (64, 48)), ((1024, 512), (256, 128)), ((100, 900), (28, 256))]
)
def test_a_preview_is_a_small_plain_jpeg_of_its_step(
    attempt: Attempt, context: AttemptContext, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    picture = Image.effect_noise(size, 90)
    picture.info["comment"] = b"a private word"
    context.progress(7, 20)
    context.show_preview(picture)
    assert attempt.preview is not None
    assert (attempt.preview.step, attempt.preview.total) == (7, 20)
    with Image.open(io.BytesIO(attempt.preview.jpeg)) as opened:
        assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", shown)
        assert set(opened.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert attempt.preview.pil().size == shown
