"""Credentials that pictures bring along: validated by the original bytes, kept without what is private."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.input_credentials import InputCredentials
from brushwork_core.files.job_deletion import JobDeletion
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.ledger import Ledger, NewJob
from brushwork_core.media.decoders.cleaning import CleanedPicture, clean, store_cleaned
from brushwork_core.media.decoders.decoder import in_process
from brushwork_core.media.decoders.pool import DecoderPool
from brushwork_core.media.pictures import Reading
from brushwork_core.provenance.credentials.ingredients import Ingredient
from brushwork_core.provenance.credentials.jumbf import BadStore, emptied, store_in
from brushwork_core.provenance.credentials.kept import MEDIA_TYPE, KeptCredentials, kept_credentials
from brushwork_core.provenance.credentials.reader import read_credentials
from brushwork_core.provenance.credentials.report import CredentialsState
from brushwork_core.provenance.credentials.signer import Signer
from brushwork_core.provenance.facts import DigitalSource
from brushwork_schemas.artifact import Artifact
from PIL import Image

from tests import signing_identities as signing
from tests.jobs import new_job
from tests.signing_identities import FORMATS, encoded, made_from, named, operator, stranger

PRIVATE = (b"GPSLatitude", b"48,12.34N", b"Ada L.", b"JFIF", b"longitude")


@pytest.fixture(scope="module")
def photograph() -> bytes:
    return signing.signed_by_camera(encoded("JPEG", side=256))


def _used(photograph: bytes, kept: KeptCredentials | None) -> bytes:
    """The output of a job that has changed the picture."""
    facts = made_from("image-to-image", DigitalSource.COMPOSITE, "image")
    inputs = {named("image"): Ingredient(encoded("PNG"), "image/png", kept)}
    return Signer(operator()).sign(encoded("PNG"), "image/png", facts, inputs)


def test_an_output_names_the_camera_and_nothing_private(photograph: bytes) -> None:
    assert any(each in photograph for each in PRIVATE)
    kept = kept_credentials(photograph)
    assert kept is not None
    assert kept.state is CredentialsState.UNTRUSTED
    again = KeptCredentials.of_content(kept.content())
    output = _used(photograph, again)
    report = read_credentials(output, None, operator().chain_pem)
    assert report.state is CredentialsState.VALID
    edited, taken = report.manifests
    assert [each.name for each in edited.actions] == ["c2pa.opened", "c2pa.edited", *["c2pa.redacted"] * 5]
    assert taken.generator == "Camera 7"
    assert taken.common_name == "Some Camera"
    assert edited.ingredients[0].problems == ("signingCredential.untrusted",)
    for secret in PRIVATE:
        assert secret not in kept.manifest
        assert secret not in output


def test_trust_is_judged_when_the_picture_is_handed_in(photograph: bytes) -> None:
    kept = kept_credentials(photograph, stranger().chain_pem)
    assert kept is not None
    assert kept.state is CredentialsState.VALID
    [edited, _] = read_credentials(_used(photograph, kept), None, operator().chain_pem).manifests
    assert edited.ingredients[0].problems == ()


def test_a_picture_that_was_changed_is_named_as_such(photograph: bytes) -> None:
    changed = bytearray(photograph)
    changed[-100] ^= 4
    kept = kept_credentials(bytes(changed), stranger().chain_pem)
    assert kept is not None
    assert kept.state is CredentialsState.TAMPERED
    report = read_credentials(_used(photograph, kept), None, operator().chain_pem)
    assert report.state is CredentialsState.VALID
    assert report.manifests[0].ingredients[0].problems == ("assertion.dataHash.mismatch",)


@pytest.mark.parametrize("name", FORMATS)
def test_an_output_that_becomes_an_input_keeps_its_history(name: str) -> None:
    output = signing.signed(encoded(name), FORMATS[name], signing.generated())
    cleaned = clean(in_process(), output, Reading())
    assert isinstance(cleaned, CleanedPicture)
    assert b"jumb" not in cleaned
    kept = KeptCredentials.of_content(cleaned.credentials)
    assert kept is not None
    assert kept.redacted == ()
    report = read_credentials(_used(output, kept), None, operator().chain_pem)
    assert report.state is CredentialsState.VALID
    assert [len(each.actions) for each in report.manifests] == [2, 1]


def test_a_picture_without_credentials_costs_nothing_more() -> None:
    assert type(clean(in_process(), encoded("PNG"), Reading())) is bytes


def test_a_decoder_process_keeps_the_same(photograph: bytes) -> None:
    pool = DecoderPool(1, stranger().chain_pem)
    try:
        found = pool.credentials(photograph)
        assert found == in_process(stranger().chain_pem).credentials(photograph)
        assert pool.credentials(encoded("PNG")) is None
    finally:
        pool.close()


STORE_MARK = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x008\x9bq"


def _nested(levels: int) -> bytes:
    description = (25 + 6).to_bytes(4) + STORE_MARK + b"\x03c2pa\0\0"
    content = b""
    for _ in range(levels):
        content = (8 + len(description) + len(content)).to_bytes(4) + b"jumb" + description + content
    return content


@pytest.mark.parametrize(
    "data",
    [
        STORE_MARK,
        b"\0" * 12 + STORE_MARK,
        b"\xff\xff\xff\xffjumb\0\0\0\x1e" + STORE_MARK,
        b"\0\0\0\0jumb\0\0\0\x1e" + STORE_MARK,
        b"\0\0\0\1jumb\0\0\0\x1e" + STORE_MARK + b"\0" * 100,
        _nested(500),
        _nested(3)[:-5],
    ],
)
def test_hostile_stores_are_not_kept(data: bytes) -> None:
    picture = encoded("PNG")
    hostile = picture[:33] + signing.chunk(b"caBX", data) + picture[33:]
    assert kept_credentials(hostile) is None
    with pytest.raises(BadStore):
        emptied(store_in(data), lambda path, content: False)
    cleaned = clean(in_process(), hostile, Reading())
    with Image.open(io.BytesIO(cleaned)) as found:
        assert found.size == (64, 64)


def test_content_of_another_version_is_no_credentials() -> None:
    assert KeptCredentials.of_content(b"{}") is None
    assert KeptCredentials.of_content(b"no JSON") is None
    assert KeptCredentials.of_content(json.dumps({"version": 2}).encode()) is None


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "files"))


def _job(job_id: str, artifact: Artifact, tenant: str) -> NewJob:
    return replace(new_job(job_id, tenant=tenant), inputs=(artifact,))


def test_a_job_has_the_credentials_of_its_pictures(
    database: Database, store: ArtifactStore, photograph: bytes
) -> None:
    ledger = Ledger(database)
    artifact = store_cleaned(store, clean(in_process(), photograph, Reading()))
    credentials = artifact.credentials_file
    assert credentials is not None
    assert credentials.media_type == MEDIA_TYPE
    ledger.submit([_job("one", artifact, "a")])
    assert InputCredentials(database).of_job("one", [artifact.sha256]) == {
        artifact.sha256: credentials.sha256
    }
    ledger.cancel("one")
    JobDeletion(database, store).delete("one")
    assert not store.has(credentials.sha256)
    assert not store.has(artifact.sha256)
    assert InputCredentials(database).of_job("one", [artifact.sha256]) == {}


def test_an_upload_keeps_them_for_later_jobs_of_its_tenant_alone(
    database: Database, store: ArtifactStore, photograph: bytes
) -> None:
    ledger, files = Ledger(database), TenantFiles(database)
    artifact = store_cleaned(store, clean(in_process(), photograph, Reading()))
    credentials = artifact.credentials_file
    assert credentials is not None
    files.record_upload("a", artifact)
    by_name = artifact.model_copy()
    by_name._credentials_file = None
    ledger.submit([_job("one", by_name, "a"), _job("two", by_name, "b")])
    found = InputCredentials(database)
    assert found.of_job("one", [artifact.sha256]) == {artifact.sha256: credentials.sha256}
    assert found.of_job("two", [artifact.sha256]) == {}
    assert files.get(credentials.sha256, "a").media_type == MEDIA_TYPE
    with pytest.raises(Exception, match="There is no file"):
        files.get(credentials.sha256, "b")
