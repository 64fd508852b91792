"""Local certificates for development: nobody trusts them, and what they have signed says so."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from brushwork_core.provenance.credentials.identity import (
    DEVELOPMENT_NAME,
    SigningIdentity,
    expect_cryptography,
)
from brushwork_core.settings.credentials_settings import CHAIN_FILE, FOLDER, KEY_FILE

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

_AUTHORITY_NAME = "brushwork development authority (not trusted)"
_ORGANIZATION = "brushwork development"
DAYS = 365
# Clocks differ.
_BACKDATED = timedelta(hours=1)


def write_development_identity(data_dir: Path, days: float = DAYS) -> tuple[Path, Path]:
    """Make a development certificate, write it and its key below the data folder, and return both files.

    Only the owner may read the key. Files that are there are replaced.

    Args:
        data_dir: The data folder of `brushwork up`.
        days: How long the certificate is valid.

    Raises:
        MissingExtra: The package cryptography is not installed.
        OSError: The files cannot be written.
    """
    made = development_identity(days)
    folder = data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    chain, key = folder / CHAIN_FILE, folder / KEY_FILE
    _write(key, made.key_pem or "")
    _write(chain, made.chain_pem)
    return chain, key


def development_identity(
    days: float = DAYS, name: str = DEVELOPMENT_NAME, key_pem: str | None = None
) -> SigningIdentity:
    """Make a certificate and its key, as C2PA's profile of certificates wants them, below an own authority.

    Args:
        days: How long the certificate is valid; below 0, it has expired.
        name: Common name of the certificate.
        key_pem: Its private key, of ECDSA on P-256; None for a new one.

    Raises:
        MissingExtra: The package cryptography is not installed.
    """
    expect_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    authority_key, key = ec.generate_private_key(ec.SECP256R1()), _key(key_pem)
    end = datetime.now(UTC) + timedelta(days=days)
    begun = _beginning(min(datetime.now(UTC), end) - _BACKDATED, end)
    chain = (
        _certificate(begun(name, key.public_key()), authority_key),
        _authority(begun(_AUTHORITY_NAME, authority_key.public_key()), authority_key),
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)
    return SigningIdentity(pem.decode(), private.decode())


def _key(pem: str | None) -> "ec.EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    found = None if pem is None else serialization.load_pem_private_key(pem.encode(), None)
    return found if isinstance(found, ec.EllipticCurvePrivateKey) else ec.generate_private_key(ec.SECP256R1())


def _beginning(
    start: datetime, end: datetime
) -> "Callable[[str, ec.EllipticCurvePublicKey], x509.CertificateBuilder]":
    from cryptography import x509

    def begun(subject: str, key: "ec.EllipticCurvePublicKey") -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(_AUTHORITY_NAME))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )

    return begun


def _authority(begun: "x509.CertificateBuilder", key: "ec.EllipticCurvePrivateKey") -> "x509.Certificate":
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    return (
        begun.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _certificate(begun: "x509.CertificateBuilder", key: "ec.EllipticCurvePrivateKey") -> "x509.Certificate":
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return (
        begun.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(issuer, critical=False)
        .sign(key, hashes.SHA256())
    )


def _usage(*, is_authority: bool) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> "x509.Name":
    from cryptography import x509

    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, _ORGANIZATION),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name),
        ]
    )


def _write(file: Path, text: str) -> None:
    """Write a file that only its owner may read, at once: a worker may be reading it."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    new.replace(file)
