"""The gateway's application: FastAPI with the routes, the problems and the locks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from brushwork_schemas.settings import Settings
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from brushwork.gateway import problems
from brushwork.gateway.guard import Guard
from brushwork.gateway.page import pages
from brushwork.gateway.routes import batch, events, files, health, jobs, preview, submit
from brushwork.gateway.services import services

VERSION = "1"


def create_app(settings: Settings) -> FastAPI:
    """An ASGI application; connections are opened when it starts and closed when it stops."""

    @asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[None]:
        app.state.services = await run_in_threadpool(services, settings)
        try:
            yield
        finally:
            await app.state.services.watch.close()
            await run_in_threadpool(app.state.services.close)

    app = FastAPI(
        title="brushwork",
        version=VERSION,
        description="Image work by open, local models: submit jobs, follow them, fetch results.",
        lifespan=opened,
        # Pages of documentation that load scripts from elsewhere would not work without the network.
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        responses={"default": {"model": problems.Problem, "content": {problems.MEDIA_TYPE: {}}}},
    )
    problems.install(app)
    app.add_middleware(Guard, max_body_bytes=settings.max_upload_bytes)
    for routes in (health, files, jobs, events, preview, submit, batch, pages):
        app.include_router(routes.router)
    return app
