"""The route class of the page: errors become pages, and callers without a key are sent to the login."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from brushwork_schemas.errors import BrushworkError, Unauthorized
from brushwork_schemas.wording.disclosure import for_reader
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from brushwork.gateway.problems import headers_of, invalid_request, log_hidden, status_of
from brushwork.page.session import Session, redirect_to


class PageRoute(APIRoute):
    """A route that answers errors with a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which answers errors with a page."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except Unauthorized:
                return redirect_to(f"/login?next={quote(Session(request).here, safe='')}")
            except BrushworkError as error:
                log_hidden(error, request.method, request.url.path)
                return await run_in_threadpool(error_page, request, error)
            except RequestValidationError as error:
                refusal = invalid_request(error.errors(), skipped=1)
                return await run_in_threadpool(error_page, request, refusal)

        return handled


def error_page(request: Request, error: BrushworkError) -> Response:
    """Return the page that names an error and its fix."""
    status = status_of(error)
    is_own = error.fault == "caller"
    texts = {
        "message": for_reader(error.message, is_own=is_own),
        "hint": error.hint and for_reader(error.hint, is_own=is_own),
    }
    page = Session(request).shown("error.html", status, error=texts, number=status)
    page.headers.update(headers_of(error))
    return page
