"""Who signs: a chain of certificates, and the key of the first one or a function that signs with it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from brushwork_schemas.errors import CertificateUnusable
from brushwork_schemas.wording.phrase import said

from brushwork_core.provenance.credentials.library import missing

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

DEVELOPMENT_NAME = "brushwork development certificate (not trusted)"
# Purposes of a certificate, one of which C2PA asks for: e-mail, documents, and claims of C2PA.
_PURPOSES = ("1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1")
_ANY_PURPOSE = "2.5.29.37.0"
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_LEAST_RSA_BITS = 2048


def is_development_name(common_name: str) -> bool:
    """Return whether a certificate of this name was made by `brushwork provenance init`."""
    return common_name == DEVELOPMENT_NAME


@dataclass(frozen=True)
class CertificateFacts:
    """What the certificate that signs says.

    Args:
        common_name: Its name.
        issuer: Name of who has issued it.
        not_before: From when it is valid, UTC.
        not_after: Until when it is valid, UTC.
        algorithm: That its key signs with, in the words of C2PA, such as `es256`.
    """

    common_name: str
    issuer: str
    not_before: datetime
    not_after: datetime
    algorithm: str

    @property
    def is_development(self) -> bool:
        """Whether `brushwork provenance init` has made it, so that nobody trusts it."""
        return is_development_name(self.common_name)

    def days_left(self, now: datetime | None = None) -> float:
        """Return for how many days it is still valid; below 0 once it has expired.

        Args:
            now: The time, UTC; None for that of this machine.
        """
        return (self.not_after - (now or datetime.now(UTC))).total_seconds() / 86400

    def expect_valid(self, now: datetime | None = None) -> None:
        """Check that the certificate is valid at a time.

        Args:
            now: The time, UTC; None for that of this machine.

        Raises:
            CertificateUnusable: It has expired, or is not valid yet.
        """
        moment = now or datetime.now(UTC)
        if moment > self.not_after:
            raise CertificateUnusable(
                said(
                    "The certificate {name!r} has expired on {day}.",
                    name=self.common_name,
                    day=_day(self.not_after),
                ),
                hint="Get a new one, or run brushwork provenance init --renew for one for development.",
            )
        if moment < self.not_before:
            raise CertificateUnusable(
                said(
                    "The certificate {name!r} is valid from {day} on.",
                    name=self.common_name,
                    day=_day(self.not_before),
                ),
                hint="Check the clock of this machine.",
            )


@dataclass(frozen=True)
class SigningIdentity:
    """A chain of certificates, and what signs.

    Args:
        chain_pem: Certificates as PEM: first the one that signs, then those that have issued it, without the
            root if you like.
        key_pem: The private key as PEM, not encrypted; None if `sign` is given.
        sign: Returns the signature of bytes, as C2PA wants it: for ECDSA `r` and `s` one after the other, for
            RSA that of PSS with SHA-256, for Ed25519 the signature itself.
    """

    chain_pem: str
    key_pem: str | None = field(default=None, repr=False)
    sign: Callable[[bytes], bytes] | None = None

    def facts(self) -> CertificateFacts:
        """Return what the certificate says.

        Raises:
            CertificateUnusable: It cannot be read, or has a key that C2PA does not allow.
            MissingExtra: The package cryptography is not installed.
        """
        certificate = self._certificates()[0]
        return CertificateFacts(
            _name(certificate.subject),
            _name(certificate.issuer),
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            _algorithm(certificate.public_key()),
        )

    def expect_usable(self, now: datetime | None = None) -> CertificateFacts:
        """Check the certificate against the profile of C2PA, and that the key belongs to it.

        Args:
            now: The time, UTC; None for that of this machine.

        Returns:
            What the certificate says.

        Raises:
            CertificateUnusable: Something is wrong. The message says what.
            MissingExtra: The package cryptography is not installed.
        """
        facts, certificates = self.facts(), self._certificates()
        for reason in _profile_problems(certificates):
            raise CertificateUnusable(
                said("The certificate cannot sign Content Credentials: {reason}.", reason=reason)
            )
        facts.expect_valid(now)
        self._expect_own_key(certificates[0])
        return facts

    def expect_signature(self, signature: bytes, data: bytes) -> None:
        """Check a signature by the certificate.

        Raises:
            CertificateUnusable: It is by another key, or has another form.
        """
        from cryptography.exceptions import InvalidSignature

        try:
            _verify(self._certificates()[0].public_key(), signature, data)
        except (InvalidSignature, ValueError) as error:
            raise CertificateUnusable(
                said("The callback signs with another key than that of the certificate, or in another form."),
                field="credentials_callback",
                hint="It must return r and s of ECDSA one after the other, PSS of RSA, or that of Ed25519.",
            ) from error

    def _certificates(self) -> "list[x509.Certificate]":
        expect_cryptography()
        from cryptography import x509

        try:
            return x509.load_pem_x509_certificates(self.chain_pem.encode())
        except ValueError as error:
            raise CertificateUnusable(
                said("The certificate chain is not PEM."),
                field="credentials_chain",
                hint="It starts with -----BEGIN CERTIFICATE-----; the certificate that signs is the first.",
            ) from error

    def _expect_own_key(self, certificate: "x509.Certificate") -> None:
        if self.key_pem is None:
            return
        from cryptography.hazmat.primitives import serialization

        try:
            key = serialization.load_pem_private_key(self.key_pem.encode(), None)
        except (ValueError, TypeError) as error:
            raise CertificateUnusable(
                said("The private key cannot be read."),
                field="credentials_key",
                hint="It must be PEM, PKCS #8, and not encrypted.",
            ) from error
        if key.public_key() != certificate.public_key():
            raise CertificateUnusable(
                said("The private key is not the one of the certificate."),
                field="credentials_key",
                hint="The certificate that signs must be the first one of the chain.",
            )


def expect_cryptography() -> None:
    """Return if the package cryptography is installed.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise missing("cryptography") from error


def _profile_problems(certificates: "list[x509.Certificate]") -> Iterator[str]:
    """What C2PA's profile of certificates forbids, as far as people get it wrong."""
    from cryptography import x509

    certificate = certificates[0]
    if certificate.subject == certificate.issuer:
        yield said("it has signed itself")
    if certificate.version is not x509.Version.v3:
        yield said("it is not of version 3")
    try:
        if not certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
            yield said("its key usage lacks digitalSignature")
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        named = {use.dotted_string for use in uses}
        if _ANY_PURPOSE in named or not named & set(_PURPOSES):
            yield said("its extended key usage is neither emailProtection nor documentSigning")
        certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound as error:
        yield said("it lacks the extension {name}", name=error.oid._name)


def _algorithm(key: "CertificatePublicKeyTypes") -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return "ps256"
    raise CertificateUnusable(
        said("The key of the certificate is none that C2PA allows."),
        field="credentials_chain",
        hint="Use ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of at least 2048 bits.",
    )


def _verify(key: "CertificatePublicKeyTypes", signature: bytes, data: bytes) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    if isinstance(key, ec.EllipticCurvePublicKey):
        half = (key.key_size + 7) // 8
        if len(signature) != 2 * half:
            raise ValueError
        pair = (int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
        digest = {256: hashes.SHA256(), 384: hashes.SHA384()}.get(key.key_size, hashes.SHA512())
        key.verify(encode_dss_signature(*pair), data, ec.ECDSA(digest))
    elif isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, data)
    elif isinstance(key, rsa.RSAPublicKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
        key.verify(signature, data, pss, hashes.SHA256())
    else:
        raise ValueError


def _name(name: "x509.Name") -> str:
    from cryptography.x509.oid import NameOID

    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
