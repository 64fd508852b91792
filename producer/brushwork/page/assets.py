"""Style, script and logo of the page. Their addresses change with their content, so browsers cache them."""

from functools import cache
from hashlib import sha256
from pathlib import Path

from brushwork_schemas.errors import RouteNotFound
from brushwork_schemas.wording.phrase import said
from fastapi import APIRouter
from fastapi.responses import Response

FOLDER = Path(__file__).parent / "static"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter()


@cache
def _assets() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in FOLDER.iterdir() if file.suffix in MEDIA_TYPES}


@cache
def asset_path(name: str) -> str:
    """Return the path of a file, with its hash."""
    return f"/assets/{sha256(_assets()[name]).hexdigest()[:12]}/{name}"


@router.get("/assets/{version}/{name}")
async def asset(version: str, name: str) -> Response:
    """Return a file. A page that was loaded before an update gets the newest version."""
    content = _assets().get(name)
    if content is None:
        raise RouteNotFound(said("There is no file {name!r}.", name=name[:80]))
    return Response(content, media_type=MEDIA_TYPES[Path(name).suffix], headers=HEADERS)
