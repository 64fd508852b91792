"""What a kind of job takes and gives, as JSON Schema: for forms, and for callers in other languages."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.options import JobOptions


class KindDescription(BaseModel):
    """A kind of job."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(examples=["text-to-image"])
    description: str = Field(description="What it does, in a sentence.")
    default_model: str | None = Field(None, description="Whom a request without `model` is for.")
    request: dict[str, Any] = Field(description="JSON Schema of its parameters.")
    options: dict[str, Any] = Field(description="JSON Schema of what may be said beside them.")
    result: dict[str, Any] = Field(description="JSON Schema of `result` once it has succeeded.")


def described_kinds(catalogue: Catalogue) -> list[KindDescription]:
    """All kinds."""
    return [_described(kind, catalogue) for kind in all_kinds().values()]


def _described(kind: Kind, catalogue: Catalogue) -> KindDescription:
    models = catalogue.of_kind(kind.name)
    request = kind.request_type.model_json_schema()
    return KindDescription(
        name=kind.name,
        description=request.get("description", ""),
        default_model=models[0].name if models else None,
        request=request,
        options=JobOptions.model_json_schema(),
        result=kind.result_type.model_json_schema(mode="serialization"),
    )
