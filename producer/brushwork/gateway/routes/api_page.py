"""The interactive page of the HTTP API: Swagger UI, which the package fastapi-offline brings along."""

from functools import cache
from pathlib import Path

import fastapi_offline
from brushwork_schemas.errors import RouteNotFound
from brushwork_schemas.wording.phrase import said
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from brushwork.gateway.root import linked_below_root

ROOT_PATH = "/docs"
FOLDER = Path(fastapi_offline.__file__).parent / "static"
MEDIA_TYPES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
# Its own file, for the policy allows no script inside of the page. Without a validator: that is another host.
START = """\
const place = document.getElementById("api");
SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
"""
PAGE = f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>brushwork HTTP API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{ROOT_PATH}/swagger-ui.css">
</head>
<body>
<div id="api" data-document="/v1/openapi.json"></div>
<noscript>This page needs JavaScript. <a href="/v1/openapi.json">The document</a> does not.</noscript>
<script src="{ROOT_PATH}/swagger-ui-bundle.js"></script>
<script src="{ROOT_PATH}/start.js"></script>
</body>
</html>
"""
HEADERS = {
    # Swagger UI sets styles inside of its elements; its icons are data: addresses.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

router = APIRouter(prefix=ROOT_PATH, include_in_schema=False)


@router.get("")
async def page() -> HTMLResponse:
    """Return the page. It loads nothing from other hosts."""
    return HTMLResponse(linked_below_root(PAGE), headers=HEADERS)


@router.get("/{name}")
def asset(name: str) -> Response:
    """Return a script or the style of the page."""
    if name == "start.js":
        return Response(START, media_type="text/javascript")
    if name not in MEDIA_TYPES:
        raise RouteNotFound(said("There is no file {name!r}.", name=name[:80]))
    return Response(_content(name), media_type=MEDIA_TYPES[name], headers={"Cache-Control": "max-age=86400"})


@cache
def _content(name: str) -> bytes:
    return (FOLDER / name).read_bytes()
