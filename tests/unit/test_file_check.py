"""Files that the database names and the store lacks, or has with another content."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from brushwork.cli import main
from brushwork_core.database.database import Database
from brushwork_core.files import file_check
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.file_check import Damage, DamagedFile, check_files
from brushwork_core.files.job_deletion import JobDeletion
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.ledger import Ledger, NewJob
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors.store import BucketMissing

from tests.clients import png
from tests.jobs import KIND, claimed, result_of
from tests.s3_server import Bucket


@pytest.fixture
def store(s3_bucket: Bucket) -> ArtifactStore:
    return ArtifactStore(s3_bucket.url)


@pytest.fixture
def named(database: Database, ledger: Ledger, store: ArtifactStore) -> dict[str, Artifact]:
    """An input that two jobs share, the outputs of both, and an upload."""
    files = {name: store.put_picture(png(name)) for name in ("red", "green", "blue", "teal")}
    for job_id, output in (("a", "green"), ("b", "blue")):
        ledger.submit([NewJob(job_id, KIND, "m", "label", {"prompt": "x"}, inputs=[files["red"]])])
        ledger.complete(job_id, claimed(ledger, job_id).fence, result_of(1), [files[output]])
    TenantFiles(database).record_upload("a", files["teal"])
    # One that nobody names is nobody's loss.
    store.put(b"of nobody")
    return files


def place(artifact: Artifact) -> str:
    return f"pictures/{artifact.sha256[:2]}/{artifact.sha256}"


def test_all_is_well(database: Database, store: ArtifactStore, named: dict[str, Artifact]) -> None:
    for content in (False, True):
        found = check_files(database, store, content=content)
        assert (found.num_files, found.damaged) == (4, ())
        assert found.num_bytes == sum(each.size_bytes for each in named.values())


def test_each_damage_is_found_with_its_jobs(
    database: Database, store: ArtifactStore, named: dict[str, Artifact], s3_bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(file_check, "FILES_AT_ONCE", 2)
    s3_bucket.remove(place(named["red"]))
    s3_bucket.overwrite(place(named["green"]), b"short")
    s3_bucket.overwrite(place(named["teal"]), bytes(named["teal"].size_bytes))
    expected = {
        DamagedFile(named["red"].sha256, Damage.MISSING, ("a", "b")),
        DamagedFile(named["green"].sha256, Damage.WRONG_SIZE, ("a",)),
    }
    assert set(check_files(database, store).damaged) == expected
    rotten = DamagedFile(named["teal"].sha256, Damage.WRONG_CONTENT, ())
    assert set(check_files(database, store, content=True).damaged) == {*expected, rotten}


def test_a_file_that_goes_with_its_job_meanwhile_is_not_damaged(
    database: Database, store: ArtifactStore, named: dict[str, Artifact],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    size_bytes = ArtifactStore.size_bytes

    def meanwhile(store: ArtifactStore, sha256: str) -> int | None:
        if sha256 == named["green"].sha256:
            JobDeletion(database, store).delete("a")
            return None
        return size_bytes(store, sha256)

    monkeypatch.setattr(ArtifactStore, "size_bytes", meanwhile)
    assert check_files(database, store).damaged == ()


def test_a_missing_bucket_is_no_missing_file_even_if_no_file_is_named(
    sqlite_url: str, store: ArtifactStore, s3_bucket: Bucket
) -> None:
    s3_bucket.remove_bucket()
    empty = Database(sqlite_url)
    with pytest.raises(BucketMissing):
        check_files(empty, store)
    empty.close()


@pytest.fixture
def command(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("BRUSHWORK_ARTIFACTS_URL", str(tmp_path / "artifacts"))

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(("check-files", *arguments))
        return int(ended.value.code or 0), capsys.readouterr().out

    return run


def test_the_command_names_what_is_missing(
    command: Callable[..., tuple[int, str]], sqlite_url: str, tmp_path: Path
) -> None:
    database, store = Database(sqlite_url), ArtifactStore(str(tmp_path / "artifacts"))
    ledger, kept, lost = Ledger(database, lease_s=600), store.put_picture(png()), store.put(b"gone")
    gone = Artifact(sha256=lost, media_type="x/y", size_bytes=4)
    for number in range(7):
        ledger.submit([NewJob(f"job-{number}", KIND, "m", "label", {"prompt": "x"}, inputs=[kept, gone])])
    assert command() == (0, "2 files, 0.0 MB: 0 missing or damaged.\n")
    store.remove_if_old(lost, -1.0)
    status, out = command("--content")
    assert status == 3
    assert out.startswith(f"missing: {lost} of job-0 job-1 job-2 job-3 job-4 and 2 more\n2 files")
    status, out = command("--json")
    told = json.loads(out)
    assert (status, told["num_files"], len(told["damaged"][0]["job_ids"])) == (3, 2, 7)
    database.close()
