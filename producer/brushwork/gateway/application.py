"""The gateway's application: FastAPI with the routes, the problems and the locks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from brushwork_core.settings.settings import Settings
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from brushwork.gateway import problems
from brushwork.gateway.admission.request_guard import RequestGuard
from brushwork.gateway.openapi.document import completed
from brushwork.gateway.routes import (
    batch,
    catalogue,
    events,
    files,
    health,
    jobs,
    metrics,
    preview,
    submit,
    workers,
)
from brushwork.gateway.services import services
from brushwork.gateway.telemetry.access_log import AccessLog
from brushwork.gateway.telemetry.metrics import GatewayMetrics
from brushwork.gateway.telemetry.reporting import Reporting
from brushwork.page import pages

VERSION = "1"


class _Application(FastAPI):
    """FastAPI with a document that says all there is to say.

    Args:
        settings: The bounds and the catalogue that it speaks of.
        options: FastAPI's own.
    """

    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(**options)
        self._settings = settings

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = completed(super().openapi(), self._settings)
        return self.openapi_schema


def create_app(settings: Settings) -> FastAPI:
    """An ASGI application; connections are opened when it starts and closed when it stops."""
    counts = GatewayMetrics()

    @asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[None]:
        app.state.services = await run_in_threadpool(services, settings)
        app.state.reporting = Reporting(settings, app.state.services.database, counts)
        app.state.reporting.start()
        try:
            yield
        finally:
            await app.state.services.watch.close()
            await run_in_threadpool(app.state.reporting.stop)
            await run_in_threadpool(app.state.services.close)

    app = _Application(
        settings,
        title="brushwork",
        version=VERSION,
        description="Image work by open, local models: submit jobs, follow them, fetch results.",
        lifespan=opened,
        # Pages of documentation that load scripts from elsewhere would not work without the network.
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        generate_unique_id_function=lambda route: str(route.name),
        responses={"default": {"model": problems.Problem, "content": {problems.MEDIA_TYPE: {}}}},
    )
    problems.install(app)
    app.add_middleware(
        RequestGuard, max_body_bytes=settings.max_upload_bytes, max_dataset_bytes=settings.max_dataset_bytes
    )
    # The last is the outermost.
    app.add_middleware(AccessLog, metrics=counts)
    # They are tried in this order, so what is asked most comes first.
    for routes in (jobs, events, preview, submit, batch, files, catalogue, workers, health, metrics, pages):
        app.include_router(routes.router)
    return app
