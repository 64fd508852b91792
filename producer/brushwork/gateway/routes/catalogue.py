"""The models, and the kinds of jobs with their requests and results."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from brushwork_schemas.catalogue import Model
from brushwork_schemas.catalogue.kind_descriptions import KindDescription
from brushwork_schemas.catalogue.named_parts import is_path
from brushwork_schemas.kinds.registry import kind_named
from fastapi import APIRouter, Query
from pydantic import BaseModel

from brushwork.gateway.dependencies import Gateway, Reader

router = APIRouter(prefix="/v1", tags=["catalogue"])


class ModelListView(BaseModel):
    """The models of the catalogue."""

    models: Sequence[Model]


class KindList(BaseModel):
    """All kinds of jobs."""

    kinds: Sequence[KindDescription]


@router.get("/models", operation_id="list_models", summary="List models")
def models(
    services: Gateway,
    principal: Reader,
    kind: Annotated[str | None, Query(description="Only models of this kind.")] = None,
) -> ModelListView:
    """List the models that a job may name, also trained ones. The first model of a kind is its default."""
    if kind is not None:
        kind_named(kind)
    listed = services.client.models_of(principal.tenant or "", kind)
    return ModelListView(models=[_shown(model) for model in listed])


@router.get("/kinds", operation_id="list_kinds", summary="List kinds of jobs")
def kinds(services: Gateway, principal: Reader) -> KindList:
    """List the kinds, each with the JSON Schemas of its request, its options and its result."""
    return KindList(kinds=services.client.kinds())


def _shown(model: Model) -> Model:
    # The full path would tell callers about the machine of the gateway.
    paths = {name: getattr(model.source, name) for name in ("folder", "file")}
    hidden = {name: Path(path.name) for name, path in paths.items() if path is not None}
    vae = Path(model.vae).name if model.vae is not None and is_path(model.vae) else model.vae
    source = model.source.model_copy(update=hidden) if hidden else model.source
    return model.model_copy(update={"source": source, "vae": vae})
