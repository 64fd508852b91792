"""Errors of signing: Content Credentials cannot be put into a file."""

from brushwork_schemas.errors.error import MachineError


class SigningFailed(MachineError):
    """A picture was made and could not be signed."""

    code = "signing_failed"


class CertificateUnusable(SigningFailed):
    """The certificate chain or its key cannot sign Content Credentials."""

    code = "certificate_unusable"
    fault = "operator"
