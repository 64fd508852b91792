"""Jobs that explain their results: whether one is asked for, and whether the handler has made it."""

from collections.abc import Mapping
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.explanations.request import method_of
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.wording.phrase import said


def is_explained(request: Request) -> bool:
    """Return whether the request asks for an explanation."""
    return method_of(request) is not None


def check_explained(fields: Mapping[str, Any], request: Request, model: str) -> None:
    """Refuse a result without the explanation that the request asks for.

    Args:
        fields: What the handler has returned.
        request: The request.
        model: Name of the model.

    Raises:
        InvalidRequest: The handler makes no explanations.
    """
    if is_explained(request) and fields.get("explanation") is None:
        raise InvalidRequest(
            said("explain: {model} cannot explain its results.", model=model),
            field="explain",
            hint="Leave explain out, or use another model.",
        )
