"""Settings of Content Credentials: who signs, whom readers trust, and what happens when signing fails."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr

from brushwork_core.settings.environment import data_dir

# Below the data folder: the development certificate that `brushwork provenance init` makes.
FOLDER, CHAIN_FILE, KEY_FILE = "credentials", "chain.pem", "key.pem"


def _own(name: str, given: dict[str, Any]) -> Path | None:
    file = data_dir() / FOLDER / name
    return file if given.get("credentials_development", True) and file.is_file() else None


class CredentialsSettings(BaseModel):
    """Content Credentials (C2PA) of the pictures that are made here."""

    # Before the fields whose defaults depend on it.
    credentials_development: bool = Field(
        True,
        description="Whether `brushwork up` makes a development certificate, and a certificate in the data "
        "folder signs pictures where no other one is set.",
    )
    credentials_chain: Path | None = Field(
        default_factory=lambda given: _own(CHAIN_FILE, given),
        description="PEM file of the certificate that signs pictures and of those above it; by default the "
        "development certificate in the data folder, if it is there. Without any, pictures are not signed.",
    )
    credentials_key: Path | None = Field(
        default_factory=lambda given: _own(KEY_FILE, given),
        description="PEM file of its private key, not encrypted; by default that in the data folder.",
    )
    credentials_chain_pem: str | None = Field(
        None, description="The certificates themselves, instead of their file; \\n stands for a new line."
    )
    credentials_key_pem: SecretStr | None = Field(
        None, description="The private key itself, instead of its file; \\n stands for a new line."
    )
    credentials_callback: str | None = Field(
        None,
        pattern=r"^[\w.]+:[\w.]+$",
        description="A function that signs instead of a key, such as mine.kms:sign: bytes to bytes.",
    )
    credentials_timestamps: str | None = Field(
        None,
        pattern="^https?://",
        description="A timestamp authority (RFC 3161), asked for each signature; by default none is asked.",
    )
    credentials_trust: Path | None = Field(
        None, description="PEM file of the authorities that are trusted when credentials are read."
    )
    credentials_failure: Literal["fail", "unsigned"] = Field(
        "fail",
        description="If a picture cannot be signed: its job fails, or it is stored unsigned with a warning.",
    )
