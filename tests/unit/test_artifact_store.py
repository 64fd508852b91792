"""The conformance suite of the artifact store: a folder, memory and S3; and the faults of a folder."""

import hashlib
import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.media.pictures import encode_png
from brushwork_schemas.errors import ArtifactMissing, ServiceUnreachable
from PIL import Image

DATA = b"some bytes"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["folder", "file address", "memory", "S3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "S3":
        return ArtifactStore(request.getfixturevalue("s3_bucket").url)
    places = {
        "folder": str(tmp_path / "a b/%20"),
        "file address": f"file://{tmp_path}/c",
        "memory": "memory:///",
    }
    return ArtifactStore(places[request.param])


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_bytes_are_found_by_their_hash(store: ArtifactStore) -> None:
    assert not store.has(SHA256)
    assert store.put(DATA) == SHA256
    assert store.has(SHA256)
    assert store.get(SHA256) == DATA


def test_the_same_bytes_are_stored_once(store: ArtifactStore) -> None:
    assert store.put(DATA) == store.put(DATA)
    assert store.get(SHA256) == DATA


def test_nothing_at_all_can_be_stored(store: ArtifactStore) -> None:
    assert store.get(store.put(b"")) == b""


def test_what_is_not_there_is_missing(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactMissing, match="0000") as raised:
        store.get("0" * 64)
    assert "BRUSHWORK_ARTIFACTS_URL" in str(raised.value)


@pytest.mark.parametrize(
    "name",
    ["", "../../etc/passwd", "a\0b", "/etc/passwd", SHA256.upper(), SHA256 + "\n", SHA256[:-1], "\ud800"],
)
def test_a_name_that_is_no_hash_is_missing(store: ArtifactStore, name: str) -> None:
    store.put(DATA)
    assert not store.has(name)
    with pytest.raises(ArtifactMissing) as raised:
        store.get(name)
    str(raised.value).encode()


def test_a_picture_is_described(store: ArtifactStore) -> None:
    jpeg = io.BytesIO()
    Image.new("RGB", (8, 4)).save(jpeg, "JPEG")
    data = jpeg.getvalue()
    artifact = store.put_picture(data)
    assert (artifact.media_type, artifact.size_bytes) == ("image/jpeg", len(data))
    assert (artifact.width, artifact.height) == (8, 4)
    artifact.bind(store)
    assert artifact.bytes() == data
    assert artifact.pil().size == (8, 4)


def test_an_artifact_saves_itself(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = store.put_picture(encode_png(Image.new("RGB", (8, 4))))
    artifact.bind(store)
    assert artifact.save(tmp_path / "picture.png").read_bytes() == artifact.bytes()


def test_threads_that_store_the_same_bytes_do_not_disturb_each_other(store: ArtifactStore) -> None:
    data = os.urandom(1_000_000)
    with ThreadPoolExecutor(8) as threads:
        names = set(threads.map(store.put, [data] * 24))
    assert [store.get(name) for name in names] == [data]


def test_a_folder_holds_whole_files_under_their_hashes(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    for number in range(20):
        store.put(bytes([number]) * 1000)
    for file in files(tmp_path):
        assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name
        assert file.parent.name == file.name[:2]
    assert len(files(tmp_path)) == 20


def test_a_put_that_fails_leaves_nothing_and_names_the_setting(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    # A file where the folder should be: fails for everyone, where write permission stops all but root.
    (tmp_path / SHA256[:2]).write_text("in the way")
    with pytest.raises(ServiceUnreachable) as raised:
        store.put(DATA)
    assert raised.value.field == "artifacts_url"
    assert "BRUSHWORK_ARTIFACTS_URL" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert files(tmp_path) == [tmp_path / SHA256[:2]]


def test_a_disk_that_is_full_in_mid_file_keeps_no_part_of_it(tmp_path: Path) -> None:
    program = (
        "import resource, sys\n"
        "from brushwork_core.files.artifact_store import ArtifactStore\n"
        "from brushwork_schemas.errors import ServiceUnreachable\n"
        "store = ArtifactStore(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try:\n    store.put(bytes(100_000))\n"
        "except ServiceUnreachable as error:\n    print(error.code)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == "service_unreachable\n"
    assert files(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_takes_nothing(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    tmp_path.chmod(0o500)
    with pytest.raises(ServiceUnreachable, match="BRUSHWORK_ARTIFACTS_URL"):
        store.put(DATA)
    tmp_path.chmod(0o700)
    assert files(tmp_path) == []


@pytest.mark.parametrize("url", ["{file}", "{file}/below", "foo://bar", "s3://", "file:///dev/null/x"])
def test_a_place_that_cannot_be_opened_names_the_setting(tmp_path: Path, url: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ServiceUnreachable) as raised:
        ArtifactStore(url.format(file=tmp_path / "file"))
    assert raised.value.field == "artifacts_url"
    assert "\n" not in str(raised.value)
