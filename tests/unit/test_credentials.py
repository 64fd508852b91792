"""Content Credentials: what is signed, and what a reader says of it."""

import http.server
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from brushwork_core.provenance.credentials.development import development_identity
from brushwork_core.provenance.credentials.identity import SigningIdentity
from brushwork_core.provenance.credentials.reader import read_credentials
from brushwork_core.provenance.credentials.report import CredentialsReport, CredentialsState
from brushwork_core.provenance.credentials.signer import Signer
from brushwork_core.provenance.facts import DigitalSource
from brushwork_schemas.errors import CertificateUnusable, SigningFailed
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from PIL import Image

from benchmarks.signing import print_signatures
from tests import signing_identities as signing
from tests.signing_identities import FORMATS, encoded, generated, made_from, operator, stranger

TRUSTED = operator().chain_pem
formats = pytest.mark.parametrize("name", FORMATS)


def _read(data: bytes, trusted: str = TRUSTED) -> CredentialsReport:
    return read_credentials(data, None, trusted)


def _pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB").tobytes()


@formats
def test_a_signed_picture_tells_model_and_revision(name: str) -> None:
    before = encoded(name)
    after = signing.signed(before, FORMATS[name], generated("stock-model"))
    report = _read(after)
    assert report.state is CredentialsState.VALID
    assert report.problems == ()
    [manifest] = report.manifests
    [action] = manifest.actions
    assert (action.name, action.software_agent) == ("c2pa.created", "stock-model rev-1")
    assert action.digital_source_type == DigitalSource.GENERATED.uri
    assert manifest.generator == f"brushwork {signing.VERSION}"
    assert manifest.ingredients == ()
    assert _pixels(after) == _pixels(before)


@formats
def test_a_changed_pixel_is_reported(name: str) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 80).convert("RGB").save(buffer, name)
    before = buffer.getvalue()
    middle = len(before) // 2
    signed = signing.signed(before, FORMATS[name], generated())
    changed = bytearray(signed)
    found = signed.find(before[middle : middle + 16])
    assert found > 0
    changed[found] ^= 1
    data = signing.with_chunk_sums(bytes(changed)) if name == "PNG" else bytes(changed)
    report = _read(data)
    assert report.state is CredentialsState.TAMPERED
    assert any(code.endswith("Hash.mismatch") for code in report.problems)


def test_a_changed_manifest_is_reported() -> None:
    signed = signing.signed(encoded("PNG"), "image/png", generated("stock-model"))
    report = _read(signing.with_chunk_sums(signed.replace(b"stock-model", b"other-model")))
    assert report.state is CredentialsState.TAMPERED


def test_a_certificate_of_an_unknown_authority_is_reported() -> None:
    signed = signing.signed(encoded("PNG"), "image/png", generated(), identity=stranger())
    assert _read(signed).state is CredentialsState.UNTRUSTED
    assert _read(signed, stranger().chain_pem).state is CredentialsState.VALID
    assert _read(signed, "").state is CredentialsState.UNTRUSTED


def test_a_signature_by_another_key_is_reported() -> None:
    wrong = _signed_by_another_key()
    report = _read(wrong)
    assert report.state is CredentialsState.WRONG_CERTIFICATE
    assert "claimSignature.mismatch" in report.problems


def test_an_expired_certificate_is_reported() -> None:
    signed, identity = signing.with_expired_certificate()
    report = _read(signed, identity.chain_pem)
    assert report.state is CredentialsState.EXPIRED
    assert _read(signed, "").state is CredentialsState.EXPIRED


@formats
def test_a_picture_without_credentials(name: str) -> None:
    assert _read(encoded(name)) == CredentialsReport(CredentialsState.NONE)


@pytest.mark.parametrize(
    "data", [b"", b"text", b"\x89PNG", b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x008\x9bq"]
)
def test_what_is_no_picture_has_no_credentials(data: bytes) -> None:
    assert not _read(data).state.is_intact
    assert _read(data).manifests == ()


def test_a_chain_of_three_jobs_has_three_manifests() -> None:
    first = signing.signed(encoded("PNG"), "image/png", generated())
    painted = made_from("inpainting", DigitalSource.COMPOSITE, "image", "mask_image")
    second = signing.signed(
        encoded("PNG"), "image/png", painted, {"image": first, "mask_image": encoded("PNG")}
    )
    larger = made_from("image-upscaling", DigitalSource.ENHANCED, "image")
    report = _read(signing.signed(encoded("PNG"), "image/png", larger, {"image": second}))
    assert report.state is CredentialsState.VALID
    enlarged, edited, created = report.manifests
    assert [each.name for each in enlarged.actions] == ["c2pa.opened", "c2pa.resized", "c2pa.enhanced"]
    assert enlarged.actions[-1].digital_source_type == DigitalSource.ENHANCED.uri
    assert [each.name for each in edited.actions] == ["c2pa.opened", "c2pa.edited"]
    assert edited.actions[-1].digital_source_type == DigitalSource.COMPOSITE.uri
    assert [each.name for each in created.actions] == ["c2pa.created"]
    assert [(each.title, each.relationship, each.manifest) for each in enlarged.ingredients] == [
        ("image", "parentOf", edited.label)
    ]
    assert {(each.title, each.relationship, each.manifest) for each in edited.ingredients} == {
        ("image", "parentOf", created.label),
        ("mask_image", "inputTo", None),
    }


def test_a_picture_that_only_steers_is_no_parent() -> None:
    facts = made_from("text-to-image", DigitalSource.GENERATED, "control_image")
    [manifest] = _read(
        signing.signed(encoded("PNG"), "image/png", facts, {"control_image": encoded("PNG")})
    ).manifests
    assert [each.name for each in manifest.actions] == ["c2pa.created"]
    assert [each.relationship for each in manifest.ingredients] == ["inputTo"]


def test_the_prompt_is_in_the_manifest_only_if_asked() -> None:
    without = signing.signed(encoded("JPEG"), "image/jpeg", generated())
    with_it = signing.signed(
        encoded("JPEG"), "image/jpeg", generated(parameters={"prompt": "a secret garden"})
    )
    assert b"secret garden" not in without
    assert b"secret garden" in with_it
    assert _read(with_it).state is CredentialsState.VALID


@formats
def test_a_manifest_has_no_thumbnail(name: str) -> None:
    before = encoded(name, side=512)
    first = signing.signed(before, FORMATS[name], generated())
    assert len(first) - len(before) < 4000
    assert b"thumbnail" not in first


def test_a_callback_signs() -> None:
    key = serialization.load_pem_private_key((operator().key_pem or "").encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)

    def sign(content: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(content, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    identity = SigningIdentity(operator().chain_pem, sign=sign)
    assert _read(signing.signed(encoded("PNG"), "image/png", generated(), identity=identity)).state.is_intact


def test_a_callback_that_fails_is_named() -> None:
    def sign(content: bytes) -> bytes:
        raise ConnectionError("the KMS is away")

    signer = Signer(SigningIdentity(operator().chain_pem, sign=sign))
    with pytest.raises(SigningFailed, match="the KMS is away") as caught:
        signer.sign(encoded("PNG"), "image/png", generated())
    assert caught.value.code == "signing_failed"


def test_a_callback_with_another_key_is_noticed() -> None:
    signer = Signer(SigningIdentity(operator().chain_pem, sign=lambda content: bytes(64)))
    with pytest.raises(CertificateUnusable, match="another key"):
        signer.sign(encoded("PNG"), "image/png", generated())


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        (lambda: SigningIdentity("no PEM", operator().key_pem), "not PEM"),
        (lambda: SigningIdentity(operator().chain_pem, "no PEM"), "private key cannot be read"),
        (lambda: SigningIdentity(operator().chain_pem, stranger().key_pem), "not the one of the certificate"),
        (lambda: development_identity(-1), "has expired"),
        (lambda: _authority_only(), "has signed itself"),
    ],
)
def test_what_cannot_sign_is_refused_at_once(identity: object, message: str) -> None:
    with pytest.raises(CertificateUnusable, match=message):
        Signer(identity())  # type: ignore[operator]


def test_a_development_certificate_says_so() -> None:
    identity = development_identity()
    assert Signer(identity).is_development
    report = _read(signing.signed(encoded("PNG"), "image/png", generated(), identity=identity))
    assert report.state is CredentialsState.UNTRUSTED
    assert report.is_development
    assert not _read(signing.signed(encoded("PNG"), "image/png", generated())).is_development


def test_threads_share_a_signer() -> None:
    signer = Signer(operator())
    with ThreadPoolExecutor(4) as threads:
        made = threads.map(lambda _: signer.sign(encoded("JPEG"), "image/jpeg", generated()), range(24))
        reports = [_read(each) for each in made]
    assert {report.state for report in reports} == {CredentialsState.VALID}
    assert len({report.manifests[0].label for report in reports}) == 24


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[str]]]:
    """A server, and the paths that it was asked for."""
    asked: list[str] = []

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_POST = do_GET  # noqa: N815 - as the server looks for it

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as its base names it
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def test_nothing_is_fetched_that_a_file_names(receiver: tuple[str, list[str]]) -> None:
    address, asked = receiver
    remote = _with_remote_manifest(f"{address}/manifest.c2pa")
    assert _read(remote).state is CredentialsState.NONE
    # Also where the file seems to have a manifest as well, so that the library reads it.
    mark = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x008\x9bq"
    assert not _read(remote + mark).state.is_intact
    assert asked == []


def test_a_timestamp_authority_is_asked_only_if_it_is_set(receiver: tuple[str, list[str]]) -> None:
    address, asked = receiver
    Signer(operator()).sign(encoded("PNG"), "image/png", generated())
    assert asked == []
    with pytest.raises(SigningFailed):
        Signer(operator(), f"{address}/timestamps").sign(encoded("PNG"), "image/png", generated())
    assert asked == ["/timestamps"]


def _with_remote_manifest(address: str) -> bytes:
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{address}"/>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()
    content = b"http://ns.adobe.com/xap/1.0/\0" + xmp
    segment = b"\xff\xe1" + (len(content) + 2).to_bytes(2) + content
    data = encoded("JPEG")
    return data[:2] + segment + data[2:]


def _signed_by_another_key() -> bytes:
    """A file as other programs may sign it, which do not check that the key is the certificate's."""
    identity = SigningIdentity(operator().chain_pem, stranger().key_pem)
    signer = Signer(operator())
    signer._identity = identity
    signer.expect_ready = lambda: None  # type: ignore[method-assign]
    return signer.sign(encoded("PNG"), "image/png", generated())


def _authority_only() -> SigningIdentity:
    """The certificate of the authority in place of that which it has issued."""
    _, _, rest = operator().chain_pem.partition("-----END CERTIFICATE-----\n")
    return SigningIdentity(rest, operator().key_pem)


def test_the_benchmark_runs(capsys: pytest.CaptureFixture[str]) -> None:
    print_signatures(64, 1)
    assert capsys.readouterr().out.count("64 x 64") == len(FORMATS)
