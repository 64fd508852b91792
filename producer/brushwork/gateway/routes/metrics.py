"""Metrics for Prometheus: of the database, and of all gateways, workers and webhook senders."""

from typing import Annotated

from brushwork_core.access.api_keys import Scope
from brushwork_core.telemetry.exposition import merged, text_of
from fastapi import APIRouter, Depends, Request, Response
from prometheus_client.exposition import choose_encoder

from brushwork.gateway.dependencies import require_scope
from brushwork.gateway.telemetry.reporting import Reporting

router = APIRouter(tags=["health"])
# Twelve reports. The last report of a process that has ended is scraped before it expires.
LIVE_S = 60.0
MEDIA_TYPES = ("text/plain", "application/openmetrics-text")


@router.get(
    "/metrics",
    dependencies=[Depends(require_scope(Scope.ADMIN))],
    response_class=Response,
    responses={200: {"content": {name: {"schema": {"type": "string"}} for name in MEDIA_TYPES}}},
)
def metrics(request: Request, reporting: Annotated[Reporting, Depends(Reporting.of)]) -> Response:
    """Return all metrics in the text format of Prometheus, or as OpenMetrics if `Accept` asks for it."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    reports = {report.process: report.samples for report in reporting.telemetry.live(LIVE_S)}
    # For this process the values of now, not those of its last report.
    own = {reporting.process: text_of(reporting.metrics.registry)}
    content = encode(merged(reporting.of_ledger.collect(), reports | own))
    return Response(content, media_type=media_type)
