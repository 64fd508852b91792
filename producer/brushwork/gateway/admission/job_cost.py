"""What a request asks of the queue: whom it is for, and what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.admission import Admitted, admit
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import BrushworkError
from brushwork_schemas.kinds.generation import GenerationRequest
from brushwork_schemas.kinds.registry import file_fields
from brushwork_schemas.options import taken_options

# What a job costs does not depend on its files.
SOME_FILE = "0" * 64


@dataclass(frozen=True)
class JobCost:
    """One job that is asked for.

    Args:
        cost: Megapixels x steps.
        idempotency_key: None where none was given.
    """

    kind: str
    tenant: str
    cost: float
    idempotency_key: str | None

    @classmethod
    def by(cls, request: Any, catalogue: Catalogue) -> "JobCost | None":
        """What a request of `submit_many` asks; None if it is wrong in any way, for the submit to refuse."""
        if not isinstance(request, Mapping):
            return None
        parameters = dict(request)
        try:
            kind, options = parameters.pop("kind", None), taken_options(parameters)
            parameters |= {name: SOME_FILE for name in file_fields() if parameters.get(name) is not None}
            admitted = admit(kind, parameters, catalogue)
        except BrushworkError:
            return None
        return cls(admitted.kind.name, options.tenant, _cost(admitted), options.idempotency_key)


def _cost(admitted: Admitted) -> float:
    request = admitted.request
    if not isinstance(request, GenerationRequest):
        return request.cost
    # One that begins with a picture and names no size is at most as large as what its model makes by itself.
    usual = admitted.model.defaults_of(admitted.kind.name)
    unsaid = [name for name in ("width", "height") if getattr(request, name) is None]
    return request.model_copy(update={name: usual.get(name) for name in unsaid}).cost
