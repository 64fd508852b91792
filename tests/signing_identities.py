"""Certificates that sign pictures in tests, and pictures that they have signed."""

import io
import zlib
from collections.abc import Mapping
from functools import cache

from brushwork_core.provenance.credentials.development import development_identity
from brushwork_core.provenance.credentials.identity import SigningIdentity
from brushwork_core.provenance.credentials.ingredients import Ingredient
from brushwork_core.provenance.credentials.library import context, library
from brushwork_core.provenance.credentials.signer import Signer
from brushwork_core.provenance.facts import DigitalSource, InputPicture, PictureFacts
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from PIL import Image

FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "AVIF": "image/avif"}
VERSION = "0.1.0"


@cache
def operator() -> SigningIdentity:
    """The certificate of a service: its own authority must be trusted."""
    return development_identity(name="Example Pictures")


@cache
def stranger() -> SigningIdentity:
    """The certificate of somebody else, whose authority nobody here trusts."""
    return development_identity(name="Some Camera")


def encoded(format_name: str, colour: tuple[int, int, int] = (30, 90, 200), side: int = 64) -> bytes:
    """Return a picture of one colour with a lighter half."""
    picture = Image.new("RGB", (side, side), colour)
    picture.paste((240, 240, 200), (0, 0, side // 2, side))
    buffer = io.BytesIO()
    picture.save(buffer, format_name, quality=90)
    return buffer.getvalue()


def generated(model: str = "stock", **changed: object) -> PictureFacts:
    """Facts of a picture that was made without another."""
    return PictureFacts(DigitalSource.GENERATED, "text-to-image", model, "rev-1", VERSION, **changed)  # type: ignore[arg-type]


def made_from(kind: str, source: DigitalSource, *roles: str) -> PictureFacts:
    """Facts of a picture that was made from others, whose names are those of their roles."""
    inputs = tuple(InputPicture(named(role), role) for role in roles)
    return PictureFacts(source, kind, "stock", "rev-1", VERSION, inputs)


def named(role: str) -> str:
    """The name of the file that has a role."""
    return role[0].encode().hex().ljust(64, "0")


def signed(
    data: bytes,
    media_type: str,
    facts: PictureFacts,
    inputs: Mapping[str, bytes] | None = None,
    identity: SigningIdentity | None = None,
) -> bytes:
    """Sign a picture; inputs are PNG files by role."""
    given = {named(role): Ingredient(file, "image/png") for role, file in (inputs or {}).items()}
    return Signer(identity or operator()).sign(data, media_type, facts, given)


def signed_by_camera(data: bytes, *, private: bool = True) -> bytes:
    """Sign a JPEG as a camera does: with a thumbnail of it, a place, and the name of a person."""
    found, identity = library(), stranger()
    exif = {"@context": {"exif": "http://ns.adobe.com/exif/1.0/"}, "exif:GPSLatitude": "48,12.34N"}
    person = {"@context": "http://schema.org/", "@type": "CreativeWork", "author": [{"name": "Ada L."}]}
    actions = [
        {
            "action": "c2pa.created",
            "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
        }
    ]
    assertions: list[dict[str, object]] = [{"label": "c2pa.actions.v2", "data": {"actions": actions}}]
    if private:
        assertions += [
            {"label": "stds.exif", "kind": "Json", "data": exif},
            {"label": "c2pa.metadata", "kind": "Json", "data": exif},
            {"label": "stds.schema-org.CreativeWork", "kind": "Json", "data": person},
            {"label": "com.example.trip", "data": {"latitude": 48.2, "longitude": 16.3}},
        ]
    settings = {"version": 1, "builder": {"thumbnail": {"enabled": private}}}
    output = io.BytesIO()
    with (
        found.Context.from_dict(settings) as own,
        found.Builder(
            {
                "claim_generator_info": [{"name": "Camera", "version": "7"}],
                "format": "image/jpeg",
                "assertions": assertions,
            },
            context=own,
        ) as builder,
        found.Signer.from_info(
            found.C2paSignerInfo(
                b"es256", identity.chain_pem.encode(), (identity.key_pem or "").encode(), None
            )
        ) as signer,
    ):
        builder.sign(signer, "image/jpeg", io.BytesIO(data), output)
    return output.getvalue()


def with_expired_certificate() -> tuple[bytes, SigningIdentity]:
    """Sign a JPEG with a certificate that has expired, which no signer agrees to do.

    A valid certificate and an expired one have the same key and the same length. What is signed has the
    expired one in place of the other, and so has the file.
    """
    valid, expired = _of_equal_length()
    key = serialization.load_pem_private_key((valid.key_pem or "").encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    found = library()

    def sign(content: bytes) -> bytes:
        changed = content.replace(_der(valid), _der(expired))
        assert changed != content
        r, s = decode_dss_signature(key.sign(changed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    output = io.BytesIO()
    actions = [{"action": "c2pa.created", "digitalSourceType": DigitalSource.GENERATED.uri}]
    definition = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}]}
    with (
        found.Builder(definition, context=context()) as builder,
        found.Signer.from_callback(sign, found.C2paSigningAlg.ES256, valid.chain_pem) as signer,
    ):
        builder.sign(signer, "image/jpeg", io.BytesIO(encoded("JPEG")), output)
    return output.getvalue().replace(_der(valid), _der(expired)), expired


def _of_equal_length() -> tuple[SigningIdentity, SigningIdentity]:
    valid = development_identity(name="Example Pictures")
    # Signatures of certificates differ by a byte or two.
    while True:
        expired = development_identity(-1, name="Example Pictures", key_pem=valid.key_pem)
        if len(_der(expired)) == len(_der(valid)):
            return valid, expired


def _der(identity: SigningIdentity) -> bytes:
    first = x509.load_pem_x509_certificates(identity.chain_pem.encode())[0]
    return first.public_bytes(serialization.Encoding.DER)


def with_chunk_sums(data: bytes) -> bytes:
    """Return a PNG whose chunks have the right checksums again."""
    position, made = 8, data[:8]
    while position < len(data):
        size = int.from_bytes(data[position : position + 4])
        body = data[position + 4 : position + 8 + size]
        made += data[position : position + 4] + body + zlib.crc32(body).to_bytes(4)
        position += 12 + size
    return made


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    body = name + content
    return len(content).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)
