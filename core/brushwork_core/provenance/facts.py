"""What is known of a picture when it is written: the same facts for every label and for the signature."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from brushwork_schemas.artifact import DigitalSource

# Kinds state the source of their pictures, so the type is one of the schemas.
__all__ = ["DigitalSource", "InputPicture", "PictureFacts"]


@dataclass(frozen=True)
class InputPicture:
    """A picture from which another was made.

    Args:
        sha256: Name of its file in the artifact store.
        role: Place of the request that names it, such as `image`, `mask_image` or `ip_adapters.0.images.0`.
    """

    sha256: str
    role: str


@dataclass(frozen=True)
class PictureFacts:
    """What is known of a picture. It names neither a time nor a job, so equal work gives equal facts.

    Args:
        source: How it came to be.
        kind: Kind of the job.
        model: Name of the model in the catalogue.
        model_revision: Revision of the model's files.
        software_version: Version of brushwork.
        inputs: The pictures that it was made from.
        parameters: The request, with the seed of this picture, if the file shall tell it; else None.
    """

    source: DigitalSource
    kind: str
    model: str
    model_revision: str
    software_version: str
    inputs: tuple[InputPicture, ...] = ()
    parameters: Mapping[str, Any] | None = field(default=None)
