"""The ASGI application of the gateway: routes, error handlers and middleware."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from brushwork_core.policies.decision_log import DecisionMetrics
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError
from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool

from brushwork.gateway import problems
from brushwork.gateway.admission.request_guard import RequestGuard
from brushwork.gateway.head_requests import HeadAsGet
from brushwork.gateway.openapi.document import completed
from brushwork.gateway.routes import (
    api_page,
    batch,
    catalogue,
    events,
    files,
    health,
    jobs,
    metrics,
    preview,
    provenance,
    reviews,
    submit,
    workers,
)
from brushwork.gateway.services import services
from brushwork.gateway.stop.stopping import Stopping
from brushwork.gateway.telemetry.access_log import AccessLog
from brushwork.gateway.telemetry.metrics import GatewayMetrics
from brushwork.gateway.telemetry.reporting import Reporting

VERSION = "1"


@dataclass(frozen=True)
class Page:
    """The web page of a gateway, which is built on the gateway and is passed in.

    Args:
        router: Its routes.
        error_page: Returns an error as a page.
    """

    router: APIRouter
    error_page: problems.ErrorPage


class _Application(FastAPI):
    """A FastAPI application with a complete OpenAPI document.

    Args:
        settings: Settings of the gateway; the document contains the catalogue and the limits.
        options: Options of FastAPI.
    """

    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(**options)
        self._settings = settings

    def openapi(self) -> dict[str, Any]:
        """Return the document. It is built at the first call."""
        if self.openapi_schema is None:
            self.openapi_schema = completed(super().openapi(), self._settings)
        return self.openapi_schema


def _lifespan(
    settings: Settings, gateway_metrics: GatewayMetrics
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            app.state.services = await run_in_threadpool(
                services, settings, gateway_metrics.audit_records_lost
            )
        except BrushworkError as error:
            # uvicorn only logs it. The exit status of the process depends on it.
            app.state.start_error = error
            raise
        backend = app.state.services.backend
        gateway_metrics.registry.register(DecisionMetrics(backend.decision_log))
        app.state.reporting = Reporting(settings, backend.database, backend.store, gateway_metrics)
        app.state.reporting.start()
        try:
            yield
        finally:
            await app.state.services.watch.close()
            await run_in_threadpool(app.state.reporting.stop)
            await run_in_threadpool(app.state.services.close)

    return lifespan


def create_app(settings: Settings, page: Page | None = None) -> FastAPI:
    """Return the application. It opens its connections when it starts, and closes them when it stops.

    Args:
        settings: Settings of the gateway.
        page: The web page; None for a gateway with the HTTP interface alone.
    """
    gateway_metrics = GatewayMetrics()
    app = _Application(
        settings,
        title="brushwork",
        version=VERSION,
        description="Runs open image models on your own machines: submit jobs, follow them, fetch results.",
        lifespan=_lifespan(settings, gateway_metrics),
        # These pages load scripts from other hosts; routes/api_page.py does not.
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        # A redirect to the same path without a slash would name whatever host the request names.
        redirect_slashes=False,
        generate_unique_id_function=lambda route: str(route.name),
        responses={"default": {"model": problems.Problem, "content": {problems.MEDIA_TYPE: {}}}},
    )
    app.state.metrics = gateway_metrics
    problems.install(app, page.error_page if page else None)
    app.state.stopping = stopping = Stopping()
    app.add_middleware(
        RequestGuard,
        max_body_bytes=settings.max_upload_bytes,
        max_dataset_bytes=settings.max_dataset_bytes,
        max_form_bytes=settings.max_form_bytes,
        # The services exist only after the start.
        is_open=lambda: app.state.services.access.is_open(),
        error_page=page.error_page if page else None,
        is_stopping=lambda: stopping.has_begun,
    )
    # The middleware that is added last runs first.
    app.add_middleware(AccessLog, metrics=gateway_metrics)
    app.add_middleware(HeadAsGet)
    # Routes are matched in this order: the most frequent ones first.
    for routes in (
        jobs,
        events,
        preview,
        submit,
        batch,
        files,
        provenance,
        catalogue,
        workers,
        health,
        metrics,
        reviews,
        api_page,
    ):
        app.include_router(routes.router)
    if page:
        app.include_router(page.router)
    return app
