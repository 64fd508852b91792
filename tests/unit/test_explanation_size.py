"""How many extra calls an explanation takes, once the size of its picture is known: refused, and foretold."""

import base64
import io
from typing import Any

import pytest
from brushwork.inputs.file_inputs import FileInputs
from brushwork.inputs.intake import SubmissionIntake
from brushwork.testing import FakeClient
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Ledger, NewJob
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.outlooks import Outlooks
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import BrushworkError, InvalidRequest
from brushwork_schemas.kinds.explanations.calls import MOST_CALLS
from brushwork_schemas.options import JobOptions
from brushwork_workers.dispatch.bare_messages import BareMessages
from PIL import Image

CATALOGUE = Catalogue.load()
EACH_PIXEL = {"method": "occlusion", "patch_size": 1, "stride": 1}
# Width, height, explanation: one call for each window, and one with the whole picture covered.
AT_MOST = [
    ("image-classification", (31, 33), EACH_PIXEL),
    ("image-classification", (33, 31), {**EACH_PIXEL, "patch_size": 1}),
    ("image-classification", (1023, 1), EACH_PIXEL),
    ("image-classification", (4000, 10), True),
    ("image-classification", (64, 60), {"patch_size": 2, "stride": 2, "faithfulness": True}),
    ("image-segmentation", (64, 64), EACH_PIXEL | {"method": "confidence"}),
]
TOO_MANY = [
    ("image-classification", (32, 32), EACH_PIXEL),
    ("image-classification", (1024, 1), EACH_PIXEL),
    ("image-classification", (64, 64), {"patch_size": 2, "stride": 2, "faithfulness": True}),
    ("image-classification", (4000, 3000), {"patch_size": 100, "stride": 50}),
    ("image-segmentation", (64, 64), EACH_PIXEL | {"method": "confidence", "target": "sky"}),
    ("image-to-text", (64, 64), EACH_PIXEL | {"method": "tokens"}),
]


def png(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, "PNG")
    return buffer.getvalue()


def refused_by_intake(kind: str, size: tuple[int, int], explain: Any) -> BrushworkError | None:
    store = ArtifactStore("memory:///")
    intake = SubmissionIntake(CATALOGUE, FileInputs(store, max_dataset_bytes=2**20))
    drafts = intake.draft([{"kind": kind, "image": png(size), "explain": explain}])
    try:
        intake.prepare(drafts)
    except InvalidRequest as error:
        # Nothing is stored of a request that is refused.
        assert not any(store.old_files(0.0, 10))
        return error
    return None


@pytest.mark.parametrize(("kind", "size", "explain"), AT_MOST)
def test_as_many_calls_as_are_allowed(kind: str, size: tuple[int, int], explain: Any) -> None:
    assert refused_by_intake(kind, size, explain) is None


@pytest.mark.parametrize(("kind", "size", "explain"), TOO_MANY)
def test_too_many_calls_are_refused(kind: str, size: tuple[int, int], explain: Any) -> None:
    error = refused_by_intake(kind, size, explain)
    assert error is not None
    assert (error.field, error.code) == ("explain.stride", "invalid_request")
    assert f"more than {MOST_CALLS}" in error.message
    assert error.hint


@pytest.mark.parametrize(("kind", "size", "explain"), TOO_MANY[:2])
def test_a_fake_client_refuses_them_too(kind: str, size: tuple[int, int], explain: Any) -> None:
    with FakeClient() as client, pytest.raises(InvalidRequest, match="would take 1025 calls"):
        client.submit(kind, image=png(size), explain=explain)


def test_a_bare_message_with_too_many_becomes_a_failed_job(database: Database, ledger: Ledger) -> None:
    messages = BareMessages(ledger, ArtifactStore("memory:///"), CATALOGUE, max_attempts=1)
    for number, (kind, size, explain) in enumerate((*AT_MOST[:2], *TOO_MANY)):
        url = f"data:image/png;base64,{base64.b64encode(png(size)).decode()}"
        messages.accept(f"task-{number}", kind, (), {"image": url, "explain": explain})
        job = JobIndex(database).get(f"task-{number}")
        if number < 2:
            assert job.error is None
        else:
            assert job.error is not None
            assert (job.error.code, job.error.field) == ("invalid_request", "explain.stride")


@pytest.mark.parametrize(
    ("kind", "explain", "number"),
    [
        ("image-classification", None, 0),
        ("image-classification", EACH_PIXEL, 20 * 10 + 1),
        ("image-classification", "grad-cam", 1),
        ("image-to-image", {"words": ["red"]}, 1),
    ],
)
def test_an_outlook_tells_the_number(
    database: Database, ledger: Ledger, kind: str, explain: Any, number: int
) -> None:
    store = ArtifactStore("memory:///")
    artifact = FileInputs(store, max_dataset_bytes=2**20).stored(png((20, 10)))
    prompt = {"prompt": "a red circle"} if kind == "image-to-image" else {}
    admitted = admit(kind, {"image": artifact.sha256, "explain": explain, **prompt}, CATALOGUE)
    ledger.submit([NewJob.of("a", admitted, JobOptions(), inputs=[artifact])])
    outlooks = Outlooks(database)
    job, outlook = outlooks.get("a")
    assert outlook is not None
    assert outlook.num_calls == number
    assert outlooks.of(JobIndex(database).get("a")) == outlook
    assert job.label.endswith(admitted.request.explain.method if explain else admitted.model.name)
    with FakeClient() as client:
        faked = client.outlook(client.submit(kind, image=png((20, 10)), explain=explain, **prompt))
    assert faked is not None
    assert faked.num_calls == number
