"""What the Content Credentials of a file say, and whether they hold, as plain data."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class CredentialsState(StrEnum):
    """Whether the Content Credentials of a file hold. If several apply, it is the first that does."""

    NONE = "none"
    """The file has none."""
    UNCHECKED = "unchecked"
    """The file seems to have some, and c2pa-python is not installed here."""
    UNREADABLE = "unreadable"
    """The file has some that cannot be read."""
    TAMPERED = "tampered"
    """The file, or a part of its credentials, was changed after it was signed."""
    WRONG_CERTIFICATE = "wrong_certificate"
    """The signature is not by the key of its certificate, or that certificate must not sign credentials."""
    EXPIRED = "expired"
    """The certificate was not valid when the file was signed, as far as it can be told."""
    UNTRUSTED = "untrusted"
    """The signature holds, but nobody on the list of trusted authorities has issued the certificate."""
    VALID = "valid"
    """The signature holds, and a trusted authority has issued the certificate."""

    @property
    def is_intact(self) -> bool:
        """Whether the file is as it was when somebody signed it."""
        return self in (CredentialsState.VALID, CredentialsState.UNTRUSTED)


@dataclass(frozen=True)
class CredentialsAction:
    """Something that was done with a picture.

    Args:
        name: As C2PA has it, such as `c2pa.created`.
        digital_source_type: Address of IPTC's word for how the picture came to be, if it says so.
        software_agent: What did it, such as the name and version of a model; empty if it does not say so.
    """

    name: str
    digital_source_type: str | None = None
    software_agent: str = ""


@dataclass(frozen=True)
class CredentialsIngredient:
    """A picture from which another was made.

    Args:
        title: As whoever signed it wrote it: a role such as `image`, or the name of a file.
        relationship: `parentOf`, `componentOf` or `inputTo`.
        manifest: Label of its own manifest, if it has one.
        problems: Codes for what was wrong with its credentials when it was used.
    """

    title: str
    relationship: str
    manifest: str | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class CredentialsManifest:
    """One step of the history of a picture.

    Args:
        label: Its unique name.
        generator: Name and version of the program that wrote it.
        actions: What was done, in order.
        ingredients: The pictures that it was made from.
        issuer: Organisation of the certificate.
        common_name: Name of the certificate.
        algorithm: Of the signature, such as `Es256`.
        signed_at: Time by a timestamp authority, in ISO 8601; None if there is none.
    """

    label: str
    generator: str = ""
    actions: tuple[CredentialsAction, ...] = ()
    ingredients: tuple[CredentialsIngredient, ...] = ()
    issuer: str = ""
    common_name: str = ""
    algorithm: str = ""
    signed_at: str | None = None


@dataclass(frozen=True)
class CredentialsReport:
    """What the Content Credentials of a file say.

    Args:
        state: Whether they hold.
        problems: Codes of C2PA for what is wrong, such as `assertion.dataHash.mismatch`.
        manifests: The history, the newest step first. It is what the file says, whatever the state is.
        is_development: Whether a development certificate of brushwork has signed the newest step.
    """

    state: CredentialsState
    problems: tuple[str, ...] = ()
    manifests: tuple[CredentialsManifest, ...] = field(default=())
    is_development: bool = False

    def as_data(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        return {**asdict(self), "state": self.state.value}


_TAMPERED = (".mismatch", ".missing", ".multipleReferences", ".malformed", ".notRedacted")
_WRONG_CERTIFICATE = (
    "claimSignature.mismatch",
    "signingCredential.invalid",
    "signingCredential.ocsp.revoked",
)
_EXPIRED = ("signingCredential.expired", "claimSignature.outsideValidity")
_UNTRUSTED = "signingCredential.untrusted"


def state_of(problems: Iterable[str]) -> CredentialsState:
    """Return the state of credentials by the codes of what is wrong with them.

    Args:
        problems: Codes of C2PA; none if all is well.
    """
    left = set(problems)
    if any(code.endswith(_TAMPERED) for code in left - set(_WRONG_CERTIFICATE)):
        return CredentialsState.TAMPERED
    if left & set(_WRONG_CERTIFICATE):
        return CredentialsState.WRONG_CERTIFICATE
    if left & set(_EXPIRED):
        return CredentialsState.EXPIRED
    if left - {_UNTRUSTED}:
        return CredentialsState.TAMPERED
    return CredentialsState.UNTRUSTED if left else CredentialsState.VALID
