"""What there is: models, and what each kind of job takes and gives."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from brushwork_schemas.catalogue import Model
from brushwork_schemas.catalogue.kind_descriptions import KindDescription
from brushwork_schemas.kinds.registry import kind_named
from fastapi import APIRouter, Query
from pydantic import BaseModel

from brushwork.gateway.dependencies import Gateway, Reader

router = APIRouter(prefix="/v1", tags=["catalogue"])


class ModelListView(BaseModel):
    """The catalogue."""

    models: Sequence[Model]


class KindList(BaseModel):
    """All kinds of job."""

    kinds: Sequence[KindDescription]


@router.get("/models", operation_id="list_models", summary="The models")
def models(
    services: Gateway,
    principal: Reader,
    kind: Annotated[str | None, Query(description="Only those of this kind.")] = None,
) -> ModelListView:
    """The models that a job may name, also trained ones; the first of a kind is its default."""
    if kind is not None:
        kind_named(kind)
    listed = services.client.models_of(principal.tenant or "", kind)
    return ModelListView(models=[_shown(model) for model in listed])


@router.get("/kinds", operation_id="list_kinds", summary="The kinds of job")
def kinds(services: Gateway, principal: Reader) -> KindList:
    """Each kind with the JSON Schemas of its request, of what may be said beside it, and of its result."""
    return KindList(kinds=services.client.kinds())


def _shown(model: Model) -> Model:
    if model.source.folder is None:
        return model
    # Where it lies on the gateway's machine is nobody's business.
    hidden = model.source.model_copy(update={"folder": Path(model.source.folder.name)})
    return model.model_copy(update={"source": hidden})
