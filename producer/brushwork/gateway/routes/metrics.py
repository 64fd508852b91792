"""Metrics for Prometheus: of the database, and of all gateways, workers and webhook senders."""

from typing import Annotated

from brushwork_core.access.api_keys import Scope
from brushwork_schemas.errors import ServiceUnreachable
from fastapi import APIRouter, Depends, Request, Response
from prometheus_client.exposition import choose_encoder

from brushwork.gateway.admission.access import key_of
from brushwork.gateway.dependencies import require_scope
from brushwork.gateway.services import Services
from brushwork.gateway.telemetry.reporting import Reporting

router = APIRouter(tags=["health"])
MEDIA_TYPES = ("text/plain", "application/openmetrics-text")
# Without the database, a key that was verified in this time still reads the metrics of the gateway.
REMEMBERED_S = 3600.0
_require_admin = require_scope(Scope.ADMIN)


async def _may_see_all(request: Request, response: Response) -> bool:
    """Whether the caller may see all metrics. False if no key can be verified without the database."""
    try:
        await _require_admin(request, response)
    except ServiceUnreachable:
        services = await Services.of(request)
        known = services.access.remembered(key_of(request), REMEMBERED_S)
        return known is not None and known.may(Scope.ADMIN)
    return True


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {name: {"schema": {"type": "string"}} for name in MEDIA_TYPES}}},
)
def metrics(
    request: Request,
    reporting: Annotated[Reporting, Depends(Reporting.of)],
    may_see_all: Annotated[bool, Depends(_may_see_all)],
) -> Response:
    """Return all metrics in the text format of Prometheus, or as OpenMetrics if `Accept` asks for it.

    Without the database, the answer has the metrics of this gateway. Without a verified key, it then has only
    those that say which services answer.
    """
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    found = reporting.all_metrics() if may_see_all else reporting.health()
    return Response(encode(found), media_type=media_type)
