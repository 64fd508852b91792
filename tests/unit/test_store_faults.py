"""Each fault of a store has its own error, whatever is asked of it; no text is that of a library."""

import io
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from brushwork_core.files import object_store
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.store_faults import store_fault
from brushwork_schemas.errors import ArtifactMissing, ServiceUnreachable
from brushwork_schemas.errors.store import (
    BucketMissing,
    StoreDenied,
    StoreFull,
    StoreMisconfigured,
    StoreReadOnly,
    StoreUnreachable,
    WrongRegion,
)
from brushwork_schemas.wording.disclosure import for_caller

from tests.s3_answers import Answer, answering, refusing_conditions
from tests.s3_server import Bucket, S3Server, s3_environment
from tests.servers import free_port

ABSENT = "0" * 64
ASKED: dict[str, Callable[[ArtifactStore], object]] = {
    "put": lambda store: store.put(b"some bytes"),
    "put a large file": lambda store: store.put(bytes(2**20)),
    "put a stream": lambda store: store.put_stream(io.BytesIO(b"some bytes"), "application/zip"),
    "has": lambda store: store.has(ABSENT),
    "get": lambda store: store.get(ABSENT),
    "stream": lambda store: list(store.stream(ABSENT, 0, 1)),
    "list": lambda store: list(store.old_files(0, 10)),
    "remove": lambda store: store.remove_if_old(ABSENT, 0),
    "check": lambda store: store.check(),
}
error = Answer.error
ANSWERS: dict[str, tuple[Answer, type[ServiceUnreachable], str]] = {
    "missing": (error(404, "NoSuchBucket", "no such bucket"), BucketMissing, "does not exist"),
    "missing in Azure": (error(404, "ContainerNotFound"), BucketMissing, "does not exist"),
    "denied": (error(403, "AccessDenied", "Access Denied"), StoreDenied, "denies access"),
    "disabled": (error(403, "AllAccessDisabled"), StoreDenied, "denies access"),
    "unknown key": (error(403, "InvalidAccessKeyId"), StoreDenied, "refuses the credentials"),
    "wrong secret": (error(403, "SignatureDoesNotMatch"), StoreDenied, "refuses the credentials"),
    "expired token": (error(400, "ExpiredToken"), StoreDenied, "refuses the credentials"),
    "no key": (error(401, "Unauthorized"), StoreDenied, "refuses the credentials"),
    "wrong clock": (error(403, "RequestTimeTooSkewed"), StoreDenied, "the time of this machine"),
    "region of AWS": (
        error(301, "PermanentRedirect", "use eu-west-1", {"x-amz-bucket-region": "eu-west-1"}),
        WrongRegion,
        "another region",
    ),
    "region of MinIO": (error(400, "AuthorizationHeaderMalformed", "expecting 'x'"), WrongRegion, "another"),
    "quota": (error(403, "QuotaExceeded"), StoreFull, "quota or its disks"),
    "full disks": (error(507, "XMinioStorageFull"), StoreFull, "quota or its disks"),
    "full, no code": (Answer(507), StoreFull, "quota or its disks"),
    "read-only": (error(403, "XMinioReadOnly"), StoreReadOnly, "read-only"),
    "slow down": (error(503, "SlowDown"), StoreUnreachable, "HTTP 503, SlowDown"),
    "broken": (error(500, "InternalError"), StoreUnreachable, "HTTP 500, InternalError"),
    "proxy": (Answer(502, "<html>Bad Gateway"), StoreUnreachable, "HTTP 502"),
    "odd request": (error(400, "InvalidArgument"), StoreMisconfigured, "refuses the request"),
}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ArtifactStore]:
    def opened(endpoint: str) -> ArtifactStore:
        for name, value in s3_environment(endpoint).items():
            monkeypatch.setenv(name, value)
        return ArtifactStore("s3://pictures-inside/files")

    return opened


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is noticed after a fifth of a second."""
    monkeypatch.setattr(object_store, "SILENT_S", 0.2)
    monkeypatch.setattr(object_store, "SILENT_SENDING_S", 0.2)


def expect(fault: ServiceUnreachable, expected: type[ServiceUnreachable], words: str) -> None:
    assert type(fault) is expected
    assert words in fault.message
    assert fault.field == "artifacts_url"
    # The caller of a job can do nothing about it.
    assert fault.fault == ("machine" if expected is StoreUnreachable else "operator")
    said = str(fault)
    assert [part for part in ("<", "inside", "127.0.0.1", "Debug", "testing") if part in said] == []
    assert "free space" not in said.lower()


@pytest.mark.parametrize("what", ANSWERS)
def test_each_answer_of_a_server_is_told_apart_whatever_is_asked(
    s3: Callable[[str], ArtifactStore], what: str
) -> None:
    answer, expected, words = ANSWERS[what]
    with answering(answer) as endpoint:
        store = s3(endpoint)
        # Errors of the server are repeated, which takes a moment.
        for ask in ASKED.values() if answer.status < 500 else (ASKED["put"], ASKED["has"]):
            with pytest.raises(ServiceUnreachable) as raised:
                ask(store)
            expect(raised.value, expected, words)


def test_a_missing_bucket_is_no_missing_file(s3_server: S3Server, s3: Callable[[str], ArtifactStore]) -> None:
    store = s3(s3_server.endpoint)
    for ask in ASKED.values():
        with pytest.raises(BucketMissing, match="NoSuchBucket"):
            ask(store)


def test_a_missing_file_is_no_missing_bucket(s3_bucket: Bucket) -> None:
    store = ArtifactStore(s3_bucket.url)
    assert not store.has(ABSENT)
    for ask in (ASKED["get"], ASKED["stream"]):
        with pytest.raises(ArtifactMissing):
            ask(store)


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("http://127.0.0.1:{port}", "the connection was refused"),
        ("http://no-such.invalid", "name is unknown"),
    ],
)
def test_a_server_that_is_away_is_given_up_within_seconds(
    s3: Callable[[str], ArtifactStore], endpoint: str, words: str
) -> None:
    store = s3(endpoint.format(port=free_port()))
    for ask in (ASKED["put"], ASKED["get"], ASKED["list"]):
        started = time.monotonic()
        with pytest.raises(ServiceUnreachable) as raised:
            ask(store)
        expect(raised.value, StoreUnreachable, words)
        assert time.monotonic() - started < 10


@pytest.mark.usefixtures("hurried")
def test_a_silent_server_is_given_up(s3: Callable[[str], ArtifactStore]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = s3(f"http://127.0.0.1:{silent.getsockname()[1]}")
        for ask in (ASKED["put"], ASKED["has"]):
            with pytest.raises(ServiceUnreachable) as raised:
                ask(store)
            expect(raised.value, StoreUnreachable, "no answer in time")


def test_silence_is_bounded_and_a_large_file_has_more_time() -> None:
    assert object_store.CONNECT_S <= 2
    assert object_store.SILENT_S <= 5
    assert object_store.SILENT_S < object_store.SILENT_SENDING_S <= 60
    assert object_store.RETRY_S <= 5


def test_plain_http_needs_the_operators_leave(
    s3: Callable[[str], ArtifactStore], s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3(s3_server.endpoint)
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(ServiceUnreachable) as raised:
        ArtifactStore("s3://pictures-inside").put(b"some bytes")
    expect(raised.value, StoreMisconfigured, "not encrypted")
    assert "AWS_ALLOW_HTTP" in str(raised.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", "key.pem", "-out", "both.pem", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder


def test_https_to_a_server_without_it_is_a_wrong_setting(
    s3: Callable[[str], ArtifactStore], s3_server: S3Server
) -> None:
    with pytest.raises(ServiceUnreachable) as raised:
        s3(s3_server.endpoint.replace("http:", "https:")).has(ABSENT)
    expect(raised.value, StoreMisconfigured, "encrypted connection")


def test_a_private_certificate_authority_is_named_by_aws_ca_bundle(
    s3: Callable[[str], ArtifactStore], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "both.pem", certificate / "key.pem")
    with answering(error(404, "NoSuchBucket"), context) as endpoint:
        with pytest.raises(ServiceUnreachable) as raised:
            s3(endpoint).has(ABSENT)
        expect(raised.value, StoreMisconfigured, "encrypted connection")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate / "both.pem"))
        with pytest.raises(BucketMissing):
            s3(endpoint).has(ABSENT)


def test_a_web_page_is_no_store(s3: Callable[[str], ArtifactStore]) -> None:
    with answering(Answer(200, "<html>Welcome")) as endpoint, pytest.raises(ServiceUnreachable) as raised:
        s3(endpoint).put(b"some bytes")
    expect(raised.value, StoreMisconfigured, "as an object store")


def test_no_credentials_at_all_are_named() -> None:
    # What obstore says on a machine of a cloud without a role, and on one of no cloud.
    for answer in (
        "Server returned non-2xx status code: 404 Not Found: ",
        "HTTP error: error sending request",
    ):
        text = f"Error performing PUT http://169.254.169.254/latest/api/token in 1ms - {answer}"
        expect(store_fault(Exception(text)), StoreDenied, "No credentials")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_REGION", "somewhere else"),
        ("AWS_DEFAULT_REGION", "a/b"),
        ("AWS_ENDPOINT_URL", "minio:9000"),
        ("AWS_ENDPOINT_URL", "http://"),
        ("AWS_ENDPOINT_URL_S3", "http://minio:port"),
        ("AWS_ENDPOINT", "ftp://minio"),
    ],
)
def test_values_at_which_the_library_would_panic_are_refused(
    s3: Callable[[str], ArtifactStore], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    s3("https://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    with pytest.raises(StoreMisconfigured, match=name) as raised:
        ArtifactStore("s3://pictures-inside")
    # The value may be a secret that stands in the wrong place.
    assert value not in str(raised.value) or value == "http://"


@pytest.mark.parametrize(
    "name",
    [
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
        "AWS_SERVER_SIDE_ENCRYPTION",
        "AWS_CONDITIONAL_PUT",
        "AWS_DISABLE_BULK_DELETE",
        "AWS_SESSION_TOKEN",
    ],
)
def test_a_variable_without_a_value_counts_as_not_set(
    s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # As in the environment of a container whose .env has only the names.
    monkeypatch.setenv(name, "")
    ArtifactStore(s3_bucket.url).check()


@pytest.mark.parametrize(
    ("name", "value"),
    [("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "maybe"), ("AWS_SERVER_SIDE_ENCRYPTION", "rot13")],
)
def test_a_value_that_the_library_does_not_know_is_named_to_the_operator(
    s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StoreMisconfigured, match=value) as raised:
        ArtifactStore(s3_bucket.url)
    assert value not in for_caller(raised.value.message)


@pytest.mark.parametrize(
    "url", ["s3://", "s4://bucket", "az://container/x", "s3://key:hidden@bucket", "ftp://host/x", "s3a:///x"]
)
def test_a_wrong_address_is_refused_and_no_secret_of_it_told(url: str) -> None:
    with pytest.raises(StoreMisconfigured) as raised:
        ArtifactStore(url)
    assert "hidden" not in str(raised.value)
    assert "Debug" not in str(raised.value)


def test_a_profile_is_read_by_boto3(
    s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "credentials").write_text("[studio]\naws_access_key_id=a\naws_secret_access_key=b\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_PROFILE", "studio")
    store = ArtifactStore(s3_bucket.url)
    assert store.get(store.put(b"some bytes")) == b"some bytes"
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreMisconfigured, match="AWS_PROFILE"):
        ArtifactStore(s3_bucket.url)


@pytest.mark.parametrize(
    ("number", "expected", "words"),
    [
        (28, StoreFull, "disk of the artifact store is full"),
        (122, StoreFull, "disk of the artifact store is full"),
        (30, StoreReadOnly, "read-only"),
        (13, StoreDenied, "folder of the artifact store denies access"),
        (1, StoreDenied, "folder of the artifact store denies access"),
        (5, StoreUnreachable, "disk of the artifact store has an error"),
        (116, StoreUnreachable, "disk of the artifact store has an error"),
    ],
)
def test_each_error_of_a_folder_is_told_apart(
    number: int, expected: type[ServiceUnreachable], words: str
) -> None:
    text = f"Generic LocalFileSystem error: Unable to open file /inside/a#1: Something (os error {number})"
    for fault in (store_fault(Exception(text)), store_fault(OSError(number, "Something", "/inside/a"))):
        assert type(fault) is expected
        assert words in fault.message
        assert "inside" not in str(fault)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk")
def test_a_full_and_a_read_only_disk(disk: Path) -> None:
    store = ArtifactStore(str(disk / "files"))
    with pytest.raises(StoreFull, match="No space left"):
        store.put(os.urandom(2**20))
    with pytest.raises(StoreFull):
        store.check(2**20)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for ask in (ASKED["put"], ASKED["check"]):
        with pytest.raises(StoreReadOnly):
            ask(store)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


class TestConditions:
    """A server that does not know the condition of a write gets the file all the same."""

    def test_a_server_without_conditional_writes(
        self, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
        store = ArtifactStore(s3_bucket.url)
        assert store.get(store.put(b"some bytes")) == b"some bytes"
        assert store.put(b"some bytes") == store.put(b"some bytes")
        assert len(s3_bucket.names()) == 1

    def test_a_server_that_says_it_is_not_implemented(
        self, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with refusing_conditions(s3_bucket.endpoint) as endpoint:
            monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
            store = ArtifactStore(s3_bucket.url)
            assert store.get(store.put(b"some bytes")) == b"some bytes"
            assert store.put(b"more") != store.put(b"some bytes")
            assert len(s3_bucket.names()) == 2
