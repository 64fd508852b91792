"""The provenance of files by HTTP and by the clients: each tenant learns of its own jobs alone."""

import asyncio
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from brushwork import AsyncClient, Client
from brushwork.direct_client import DirectClient
from brushwork_core.access.api_keys import Scope
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Completion, Ledger
from brushwork_core.provenance.appearance.picture_print import print_of
from brushwork_core.provenance.marks.pixels import pixels_sha256
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact.provenance_report import ProvenanceReport
from brushwork_schemas.errors import ArtifactMissing, InvalidImage
from PIL import Image
from starlette.testclient import TestClient

from tests.archives import folders, zipped
from tests.drawn import drawn, png
from tests.foreign_files import A1111, with_chunks
from tests.gateways import bearer, gateway, key
from tests.jobs import claimed, new_job, result_of
from tests.live_gateways import Listening
from tests.perceptual_search import CHANGES

pytestmark = pytest.mark.one_database("the search is tested on both, in tests/unit/test_picture_prints.py")
PATH = "/v1/provenance"
PNG, ZIP = {"Content-Type": "image/png"}, {"Content-Type": "application/zip"}
MADE = png(drawn(1))


def made(settings: Settings, database: Database, tenant: str = "mine") -> str:
    """A job that has made a picture. Returns the name of its file."""
    ledger = Ledger(database, lease_s=600)
    artifact = ArtifactStore(settings.artifacts_url).put_picture(MADE)
    artifact = artifact.model_copy(update={"pixels_sha256": pixels_sha256(drawn(1))})
    ledger.submit([new_job("job", tenant=tenant)])
    fence = claimed(ledger, "job").fence
    prints = (print_of(drawn(1), artifact),)
    ledger.complete_many([Completion("job", fence, result_of(1), (artifact,), prints=prints)])
    return artifact.sha256


@pytest.fixture
def http(settings: Settings, database: Database) -> Iterator[TestClient]:
    made(settings, database)
    with gateway(settings) as client:
        yield client


def file(picture: Image.Image, format_name: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format_name, **options)
    return stream.getvalue()


XMP = (
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    "<rdf:Description{attributes}>{inside}</rdf:Description></rdf:RDF>"
)
COPY = CHANGES["JPEG 80, resized to 70 %"]
SENT = {
    "content": MADE,
    "pixels": file(drawn(1), "WEBP", lossless=True),
    "appearance": file(COPY(drawn(1)), "JPEG", quality=80),
}


@pytest.mark.parametrize("by", SENT)
def test_a_tenant_finds_its_own_job_and_nobody_else_does(
    http: TestClient, settings: Settings, by: str
) -> None:
    keys = {tenant: bearer(key(settings, tenant, [Scope.READ])) for tenant in ("mine", "other")}
    answers = {
        tenant: http.post(PATH, content=SENT[by], headers=headers | PNG) for tenant, headers in keys.items()
    }
    assert {answer.status_code for answer in answers.values()} == {200}
    mine, other = answers["mine"].json(), answers["other"].json()
    assert [(match["job_id"], match["by"]) for match in mine["matches"]] == [("job", by)]
    assert mine["made_here"] is True
    assert (other["made_here"], other["matches"]) == (False, [])
    # Beside that, both learn the same.
    assert {**mine, "made_here": 0, "matches": 0} == {**other, "made_here": 0, "matches": 0}
    unknown = http.post(PATH, content=png(drawn(9)), headers=keys["other"] | PNG).json()
    assert unknown.keys() == other.keys()


def test_a_form_brings_a_picture_too(http: TestClient) -> None:
    answer = http.post(PATH, files={"file": ("any.name", with_chunks(parameters=A1111), "text/plain")})
    assert answer.status_code == 200
    assert answer.json()["parameters"]["request"]["seed"] == 1234567


def test_a_stored_file_that_is_no_picture_says_nothing(http: TestClient) -> None:
    data = zipped(folders("cat", "dog"))
    name = http.post("/v1/files", content=data, headers={"Content-Type": "application/zip"}).json()["sha256"]
    found = ProvenanceReport(**http.get(f"/v1/files/{name}/provenance").json())
    assert (found.made_here, found.credentials.state, found.media_type) == (False, "none", "application/zip")
    assert found.problems == ("The file is not a picture.",)


def test_nothing_is_stored(http: TestClient, settings: Settings) -> None:
    before = http.post(PATH, content=png(drawn(5)), headers=PNG).json()
    assert http.get(f"/v1/files/{before['sha256']}").status_code == 404
    assert not ArtifactStore(settings.artifacts_url).has(before["sha256"])


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"content": b"no picture", "headers": PNG}, 422, "invalid_image"),
        ({"content": b"", "headers": PNG}, 422, "invalid_image"),
        ({"content": b"PK\x03\x04", "headers": ZIP}, 415, "unsupported_media_type"),
        ({"json": {"file": "x"}}, 415, "unsupported_media_type"),
        ({"files": {"image": MADE}}, 422, "invalid_request"),
        ({"files": {"file": MADE}, "data": {"more": "x"}}, 422, "invalid_request"),
        ({"files": {"file": ("a.zip", b"PK\x03\x04" + b"0" * 600)}}, 422, "invalid_request"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused(
    http: TestClient, sent: dict[str, Any], status: int, code: str
) -> None:
    answer = http.post(PATH, **sent)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_key_that_may_not_read_is_refused(http: TestClient, settings: Settings) -> None:
    headers = bearer(key(settings, "mine", [Scope.SUBMIT]))
    assert http.post(PATH, content=MADE, headers=headers | PNG).status_code == 403


def test_the_file_of_a_job_has_a_report(http: TestClient, settings: Settings) -> None:
    name = http.post(PATH, content=MADE, headers=PNG).json()["matches"][0]["sha256"]
    mine, other = (bearer(key(settings, tenant, [Scope.READ])) for tenant in ("mine", "other"))
    answer = http.get(f"/v1/files/{name}/provenance", headers=mine)
    assert (answer.status_code, answer.json()["matches"][0]["by"]) == (200, "content")
    assert http.get(f"/v1/files/{name}/provenance", headers=other).status_code == 404


def test_the_clients_read_provenance(settings: Settings, database: Database, tmp_path: Path) -> None:
    name = made(settings, database)
    path = tmp_path / "copy.webp"
    path.write_bytes(SENT["pixels"])
    with DirectClient(settings) as client:
        for given in (MADE, name, path, str(path), io.BytesIO(MADE), drawn(1)):
            report = client.provenance(given)
            assert [match.job_id for match in report.matches] == ["job"]
        with pytest.raises(InvalidImage):
            client.provenance("https://example.com/a.png")


def test_clients_over_http_read_provenance(settings: Settings, database: Database) -> None:
    name = made(settings, database)
    with Listening(settings) as server:
        with Client(server.address) as client:
            for given in (MADE, name, drawn(1)):
                assert [match.job_id for match in client.provenance(given).matches] == ["job"]
            assert not client.provenance(with_chunks(parameters=A1111)).made_here
            with pytest.raises(ArtifactMissing):
                client.provenance("0" * 64)

        async def ask() -> ProvenanceReport:
            async with AsyncClient(server.address) as client:
                return await client.provenance(SENT["appearance"])

        assert asyncio.run(ask()).matches[0].by == "appearance"


def fields_of(page: str) -> dict[str, str]:
    """What the fields of the form show, as far as an attribute says it."""
    prompt = re.search(r'<textarea id="field-prompt"[^>]*>([^<]*)<', page)
    values = dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', page))
    return {**values, "prompt": prompt.group(1) if prompt else ""}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_picture_fills_in_the_form(http: TestClient, language: str) -> None:
    answer = http.post(
        "/provenance", files={"file": with_chunks(parameters=A1111)}, headers={"Accept-Language": language}
    )
    assert answer.status_code == 200
    fields = fields_of(answer.text)
    assert fields["prompt"] == "a red circle, 大きな円 \nsecond line"
    assert (fields["seed"], fields["num_inference_steps"], fields["guidance_scale"]) == (
        "1234567",
        "20",
        "7.5",
    )
    title = {"en": "What this picture says about its origin", "zh": "这张图片对自身来源的说明"}[language]
    assert title in answer.text


def test_a_picture_without_metadata_fills_in_the_form_of_its_job(http: TestClient) -> None:
    answer = http.post("/provenance", files={"file": SENT["appearance"]})
    assert answer.status_code == 200
    assert fields_of(answer.text)["prompt"] == "a red circle"
    assert 'href="/jobs/job"' in answer.text


def test_another_tenant_gets_an_empty_form(http: TestClient, settings: Settings) -> None:
    headers = bearer(key(settings, "other"))
    answer = http.post("/provenance", files={"file": SENT["appearance"]}, headers=headers)
    assert answer.status_code == 200
    assert fields_of(answer.text)["prompt"] == ""
    assert "/jobs/job" not in answer.text


OURS = {
    "kind": "image-to-image", "software": "brushwork 9",
    "parameters": {
        "prompt": "x", "image": "a" * 64, "model": "unknown", "seed": {"a": 1}, "num_inference_steps": [1],
        "loras": [{"weight": 5}, 3], "strength": 0.5, "width": True, "tenant": "other", "scheduler": None,
    },
}  # fmt: skip


def test_a_hostile_picture_fills_in_what_fits(http: TestClient) -> None:
    """Of values of the wrong form, unknown models and files of others, nothing stays."""
    inside = f'<b:Parameters xmlns:b="urn:brushwork:xmp:1.0:">{escape(json.dumps(OURS))}</b:Parameters>'
    sent = file(drawn(3), "JPEG", xmp=XMP.format(inside=inside, attributes="").encode())
    answer = http.post("/provenance", files={"file": sent})
    assert answer.status_code == 200
    fields = fields_of(answer.text)
    assert (fields["prompt"], fields["kind"], fields["strength"]) == ("x", "image-to-image", "0.5")
    assert "a" * 64 not in answer.text
    assert fields.get("seed", "") == ""


def test_a_script_in_metadata_is_text(http: TestClient) -> None:
    answer = http.post("/provenance", files={"file": with_chunks(Software="<script>alert(1)</script>")})
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in answer.text


@pytest.mark.parametrize("sent", [b"no picture", b""])
def test_what_is_no_picture_is_said_on_the_page(http: TestClient, sent: bytes) -> None:
    answer = http.post("/provenance", files={"file": ("a.png", sent)})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
