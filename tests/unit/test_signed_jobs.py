"""Jobs whose pictures are signed: results, failures in mid-run, and inputs that are outputs of others."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Ledger
from brushwork_core.media.decoders.cleaning import clean, store_cleaned
from brushwork_core.media.decoders.decoder import in_process
from brushwork_core.media.pictures import Reading
from brushwork_core.provenance.credentials.development import development_identity
from brushwork_core.provenance.credentials.output_signer import OutputSigner
from brushwork_core.provenance.credentials.reader import read_credentials
from brushwork_core.provenance.credentials.report import CredentialsReport, CredentialsState
from brushwork_core.provenance.marks.encoding import FileForm
from brushwork_core.provenance.picture_writer import OutputChoices, PictureWriter
from brushwork_core.settings.credentials_settings import CredentialsSettings
from brushwork_core.settings.mark_settings import MarkSettings
from brushwork_schemas.artifact import Artifact, SignedBy
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.kinds.request import OutputFormat
from brushwork_schemas.states import JobState
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.executor import Outcome
from brushwork_workers.execution.new_pictures import NewPictures, PictureOrigin
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from PIL import Image

from tests import signing_identities as signing
from tests.jobs import new_job
from tests.signing_identities import encoded, operator
from tests.stations import WORKER, TestStation, context_of, nothing


@pytest.fixture
def key(tmp_path: Path) -> Path:
    (tmp_path / "chain.pem").write_text(operator().chain_pem)
    file = tmp_path / "key.pem"
    file.write_text(operator().key_pem or "")
    return file


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    opened = Database(sqlite_url)
    yield opened
    opened.close()


def _writer(key: Path, failure: str = "fail") -> PictureWriter:
    given: dict[str, Any] = {"credentials_key": key, "credentials_chain": key.with_name("chain.pem")}
    return PictureWriter(signer=OutputSigner(CredentialsSettings(credentials_failure=failure, **given)))


def _read(data: bytes) -> CredentialsReport:
    return read_credentials(data, None, operator().chain_pem)


def test_a_result_says_who_has_signed_it(database: Database, tmp_path: Path, key: Path) -> None:
    station = TestStation(database, tmp_path, nothing, picture_writer=_writer(key))
    assert station.execute(station.adopted()) is Outcome.SUCCEEDED
    [artifact] = station.job().result.images
    assert artifact.signed_by is SignedBy.OPERATOR
    assert artifact.unsigned_sha256 != artifact.sha256
    report = _read(station.store.get(artifact.sha256))
    assert report.state is CredentialsState.VALID
    assert report.manifests[0].actions[0].software_agent.startswith("stub ")


def test_equal_jobs_have_equal_pictures_without_the_signature(
    database: Database, tmp_path: Path, key: Path
) -> None:
    station = TestStation(database, tmp_path, nothing, picture_writer=_writer(key))
    for name in ("one", "two"):
        assert station.execute(station.adopted(name, seed=3)) is Outcome.SUCCEEDED
    one, two = (station.job(name).result.images[0] for name in ("one", "two"))
    assert one.sha256 != two.sha256
    assert (one.pixels_sha256, one.unsigned_sha256) == (two.pixels_sha256, two.unsigned_sha256)


def test_a_key_that_goes_missing_fails_the_job_with_its_own_code(
    database: Database, tmp_path: Path, key: Path
) -> None:
    station = TestStation(
        database, tmp_path, lambda request, context: key.unlink(), picture_writer=_writer(key)
    )
    assert station.execute(station.adopted()) is Outcome.FAILED
    error = station.job().error
    assert error is not None
    assert (error.code, error.fault, error.field) == ("certificate_unusable", "operator", "credentials_key")


@pytest.mark.parametrize(("failure", "outcome"), [("fail", Outcome.FAILED), ("unsigned", Outcome.SUCCEEDED)])
def test_no_model_call_is_made_for_pictures_that_cannot_be_signed(
    database: Database, tmp_path: Path, key: Path, failure: str, outcome: Outcome
) -> None:
    performed: list[Any] = []
    station = TestStation(
        database,
        tmp_path,
        lambda request, context: performed.append(request),
        picture_writer=_writer(key, failure),
    )
    expired = development_identity(-1, key_pem=operator().key_pem)
    key.with_name("chain.pem").write_text(expired.chain_pem)
    assert station.execute(station.adopted()) is outcome
    assert len(performed) == (0 if failure == "fail" else 1)


def test_a_job_is_run_again_while_the_kms_is_away(
    database: Database, tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [ConnectionError("no answer"), _sign]
    monkeypatch.setattr(f"{__name__}.kms", lambda content: _answer(answers.pop(0), content))
    given: dict[str, Any] = {
        "credentials_chain": key.with_name("chain.pem"),
        "credentials_callback": f"{__name__}:asked",
    }
    writer = PictureWriter(signer=OutputSigner(CredentialsSettings(**given)))
    station = TestStation(database, tmp_path, nothing, picture_writer=writer)
    name = station.adopted()
    assert station.execute(name) is Outcome.RETRIED
    assert station.execute(name) is Outcome.SUCCEEDED
    assert station.job().state is JobState.SUCCEEDED
    assert station.job().result.images[0].signed_by is SignedBy.OPERATOR


def kms(content: bytes) -> bytes:
    """Replaced by a test."""
    raise NotImplementedError


def asked(content: bytes) -> bytes:
    """The callback of the settings."""
    return kms(content)


def _answer(answer: Any, content: bytes) -> bytes:
    if isinstance(answer, Exception):
        raise answer
    signature: bytes = answer(content)
    return signature


def _sign(content: bytes) -> bytes:
    key = serialization.load_pem_private_key((operator().key_pem or "").encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(key.sign(content, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def test_a_picture_may_be_stored_unsigned_with_a_warning(
    database: Database, tmp_path: Path, key: Path
) -> None:
    station = TestStation(
        database,
        tmp_path,
        lambda request, context: key.unlink(),
        picture_writer=_writer(key, "unsigned"),
    )
    assert station.execute(station.adopted()) is Outcome.SUCCEEDED
    result = station.job().result
    [artifact] = result.images
    assert artifact.signed_by is None
    assert artifact.sha256 == artifact.unsigned_sha256
    assert station.store.has(artifact.sha256)
    assert [warning.code for warning in result.warnings] == ["not_signed"]


def _made(database: Database, store: ArtifactStore, key: Path, kind: str, **inputs: Artifact) -> Artifact:
    """The output of a job of a tenant, which has these pictures."""
    ledger = Ledger(database)
    job = new_job(kind, kind=kind, tenant="a")
    request = {"prompt": "a star", **{name: artifact.sha256 for name, artifact in inputs.items()}}
    ledger.submit([replace(job, request=request, inputs=tuple(inputs.values()))])
    claim = ledger.claim(kind, WORKER)
    assert claim is not None
    known = kind_named(kind)
    origin = PictureOrigin(known, known.request_type.model_construct(**request), "stock", "rev-1")
    pictures = NewPictures(_writer(key), origin)
    context = context_of(Attempt(claim), store, database, new_pictures=pictures)
    if "image" in inputs:
        context.picture(inputs["image"].sha256)
    return context.save_picture(Image.new("RGB", (64, 64), "red"))


@pytest.mark.parametrize("way", ["by name", "as a file"])
def test_three_jobs_make_a_chain(database: Database, tmp_path: Path, key: Path, way: str) -> None:
    store = ArtifactStore(str(tmp_path / "files"))

    def handed_in(output: Artifact) -> Artifact:
        if way == "by name":
            return output
        return store_cleaned(store, clean(in_process(), store.get(output.sha256), Reading()))

    mask = store.put_picture(encoded("PNG"))
    first = _made(database, store, key, "text-to-image")
    second = _made(database, store, key, "inpainting", image=handed_in(first), mask_image=mask)
    third = _made(database, store, key, "image-upscaling", image=handed_in(second))
    report = _read(store.get(third.sha256))
    assert report.state is CredentialsState.VALID
    assert [each.actions[0].name for each in report.manifests] == [
        "c2pa.opened",
        "c2pa.opened",
        "c2pa.created",
    ]


def test_a_photograph_is_named_in_what_is_made_of_it(database: Database, tmp_path: Path, key: Path) -> None:
    store = ArtifactStore(str(tmp_path / "files"))
    photograph = signing.signed_by_camera(encoded("JPEG"))
    given = store_cleaned(store, clean(in_process(), photograph, Reading()))
    made = store.get(_made(database, store, key, "image-to-image", image=given).sha256)
    report = _read(made)
    assert report.state is CredentialsState.VALID
    assert report.manifests[1].generator == "Camera 7"
    assert b"GPSLatitude" not in made


@pytest.mark.parametrize("form", get_args(OutputFormat))
def test_an_output_that_is_handed_in_as_a_file_keeps_its_pixels_and_its_history_alone(
    database: Database, tmp_path: Path, key: Path, form: OutputFormat
) -> None:
    """Every mark is gone, for metadata may hold anything; the signed history is an ingredient."""
    store = ArtifactStore(str(tmp_path / "files"))
    told = replace(signing.generated(), parameters={"prompt": "a secret star", "seed": 3})
    marks = MarkSettings(aigc_producer="001191")
    writer = PictureWriter(marks, signer=_writer(key)._signer)
    made = writer.write(Image.new("RGB", (64, 64), "red"), told, OutputChoices(FileForm(form)))
    before = in_process().report(made.data, "file").report
    assert (before.credentials.state, before.labels.is_ai) == ("untrusted", True)
    assert (before.parameters, before.labels.aigc) != (None, None)

    given = store_cleaned(store, clean(in_process(), made.data, Reading()))
    stored = store.get(given.sha256)
    after = in_process().report(stored, "file").report
    assert (after.credentials.state, after.labels.is_ai, after.parameters) == ("none", None, None)
    assert b"secret" not in stored
    decoded = Image.open(io.BytesIO(made.data)).convert("RGB")
    assert Image.open(io.BytesIO(stored)).convert("RGB").tobytes() == decoded.tobytes()

    report = _read(store.get(_made(database, store, key, "image-to-image", image=given).sha256))
    assert report.state is CredentialsState.VALID
    assert [each.actions[0].name for each in report.manifests] == ["c2pa.opened", "c2pa.created"]
    assert [each.relationship for each in report.manifests[0].ingredients] == ["parentOf"]
