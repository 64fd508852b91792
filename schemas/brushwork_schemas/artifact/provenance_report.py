"""The report about a file: its labels, its credentials, its parameters, and the jobs that made it."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

LONGEST_TEXT = 20_000


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class MatchedBy(StrEnum):
    """What a file and the file of a job have in common."""

    CONTENT = "content"
    """All bytes."""
    UNSIGNED = "unsigned"
    """All bytes without the signature."""
    PIXELS = "pixels"
    """All pixels."""
    APPEARANCE = "appearance"
    """The look: one is a copy of the other, made smaller or compressed."""


class Match(_Part):
    """A job of the caller that made the file, or the file of which it is a copy."""

    job_id: str = Field(description="Id of the job.")
    sha256: str = Field(description="The file of the job.")
    by: MatchedBy = Field(
        description="What the two files have in common. content: all bytes. unsigned: all bytes without the "
        "signature. pixels: all pixels. appearance: the look; the file is a copy, made smaller or "
        "compressed, or very much alike."
    )
    difference: float | None = Field(
        None, description="By appearance only: 0 for equal pictures, at most 0.3 for those that match."
    )


class AigcLabel(_Part):
    """The label of GB 45438-2025. Each field is as the file has it."""

    Label: str | None = Field(None, description="1: generated. 2: perhaps. 3: suspected.")
    ContentProducer: str | None = Field(None, description="Who generated it.")
    ProduceID: str | None = Field(None, description="The producer's number of the content.")
    ReservedCode1: str | None = Field(None, description="For the producer's own check.")
    ContentPropagator: str | None = Field(None, description="Who distributed it.")
    PropagateID: str | None = Field(None, description="The distributor's number of the content.")
    ReservedCode2: str | None = Field(None, description="For the distributor's own check.")
    where: str = Field(description="Where in the file it stands: xmp, png_text, exif, iptc or comment.")

    @property
    def stated(self) -> dict[str, str]:
        """The fields that say something."""
        fields: dict[str, str | None] = self.model_dump(exclude={"where"})
        return {name: value for name, value in fields.items() if value}


class Labels(_Part):
    """What the metadata of a file says. Anybody can write it, and it is not signed."""

    digital_source_type: str | None = Field(
        None,
        description="IPTC's `DigitalSourceType`, without its address: `trainedAlgorithmicMedia` for a "
        "generated picture.",
    )
    is_ai: bool | None = Field(
        None,
        description="Whether the labels say that a model has made or changed the picture; null if no label "
        "says anything.",
    )
    software: str | None = Field(None, description="The program that wrote the file.")
    ai_system: str | None = Field(None, description="IPTC's `AISystemUsed`.")
    credit: str | None = Field(None, description="IPTC's credit line.")
    aigc: AigcLabel | None = Field(None, description="The label of GB 45438-2025; null if there is none.")


class EmbeddedParameters(_Part):
    """The parameters that stand in a file."""

    format: str = Field(
        description="Who wrote them: brushwork, a1111 (also Forge, SD.Next and Civitai), comfyui or invokeai."
    )
    kind: str | None = Field(None, description="The kind of job, if brushwork wrote them.")
    request: dict[str, Any] = Field(
        default_factory=dict, description="The parameters by the names that requests use."
    )
    model: str | None = Field(None, description="The model, by the name that the other program uses.")
    text: str = Field("", description="The parameters as they stand in the file; cut where they are long.")


class CredentialAction(_Part):
    """Something that was done with a picture."""

    name: str = Field(description="As C2PA has it, such as `c2pa.created`.")
    digital_source_type: str | None = Field(None, description="IPTC's word for how the picture came to be.")
    software_agent: str = Field("", description="What did it, such as name and version of a model.")


class CredentialIngredient(_Part):
    """A picture from which another was made."""

    title: str = Field(description="As its signer wrote it: a role such as `image`, or the name of a file.")
    relationship: str = Field(description="parentOf, componentOf or inputTo.")
    manifest: str | None = Field(None, description="Label of its own manifest, if it has one.")
    problems: tuple[str, ...] = Field((), description="What was wrong with its credentials when it was used.")


class Credential(_Part):
    """One step of the history of a picture, as it was signed (a manifest of C2PA)."""

    label: str = Field(description="Its unique name.")
    generator: str = Field("", description="Name and version of the program that wrote it.")
    actions: tuple[CredentialAction, ...] = Field((), description="What was done, in order.")
    ingredients: tuple[CredentialIngredient, ...] = Field((), description="The pictures it was made from.")
    issuer: str = Field("", description="Organisation of the certificate.")
    common_name: str = Field("", description="Name of the certificate.")
    algorithm: str = Field("", description="Of the signature, such as `Es256`.")
    signed_at: str | None = Field(None, description="Time by a timestamp authority, in ISO 8601.")


class Credentials(_Part):
    """The Content Credentials (C2PA) of a file, and whether they hold."""

    state: str = Field(
        description="none: the file has none. valid: the signature holds, and a trusted authority has issued "
        "the certificate. untrusted: the signature holds, but the issuer is not known here. tampered: the "
        "file was changed after it was signed. wrong_certificate, expired: as the names say. unreadable: the "
        "credentials can't be read. unchecked: the file seems to have some, and no reader is installed here."
    )
    problems: tuple[str, ...] = Field((), description="C2PA's codes of what is wrong.")
    manifests: tuple[Credential, ...] = Field(
        (), description="The history, the newest step first. It is what the file says, whatever the state."
    )
    is_development: bool = Field(
        False, description="Whether a development certificate of brushwork has signed the newest step."
    )


class ProvenanceReport(_Part):
    """What a file says about its origin, and the jobs that made it."""

    sha256: str = Field(description="SHA-256 of the file.")
    media_type: str = Field(description="Media type of the file.")
    size_bytes: int = Field(description="Size of the file.")
    width: int = Field(description="Width in pixels.")
    height: int = Field(description="Height in pixels.")
    made_here: bool = Field(
        description="Whether a job of the caller made the file, or one of which it is a copy. About jobs of "
        "other tenants this says nothing."
    )
    matches: tuple[Match, ...] = Field((), description="Those jobs, the nearest first; at most ten.")
    credentials: Credentials = Field(description="Its Content Credentials (C2PA).")
    labels: Labels = Field(description="Its labels.")
    parameters: EmbeddedParameters | None = Field(None, description="The parameters that stand in it.")
    problems: tuple[str, ...] = Field(
        (), description="Parts of the metadata that can't be read, or exceed a limit."
    )
