"""What a file says about its origin, and what this service knows of it."""

from brushwork_schemas.provenance.report import (
    AigcLabel,
    Credential,
    Credentials,
    EmbeddedParameters,
    Labels,
    Match,
    MatchedBy,
    ProvenanceReport,
)

__all__ = [
    "AigcLabel",
    "Credential",
    "Credentials",
    "EmbeddedParameters",
    "Labels",
    "Match",
    "MatchedBy",
    "ProvenanceReport",
]
