"""Small pictures for contact sheets, so that a page with many pictures loads quickly."""

import io
from functools import lru_cache

from anyio import to_thread
from brushwork_core.files.artifact_store import ArtifactStore
from fastapi import APIRouter
from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from brushwork.gateway.dependencies import Gateway, Reader

SIDE = 384
QUALITY = 82
MOST_CACHED = 512
HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}

router = APIRouter()


@router.get("/thumbnails/{sha256}")
async def thumbnail(
    sha256: str,
    services: Gateway,
    principal: Reader,
) -> Response:
    """Return a picture that the caller may see, at most `SIDE` pixels wide and high."""
    artifact = await run_in_threadpool(services.tenant_files.get, sha256, principal.tenant)
    if max(artifact.width, artifact.height) <= SIDE:
        data = await run_in_threadpool(services.store.get, sha256)
        return Response(data, media_type=artifact.media_type, headers=HEADERS)
    data = await to_thread.run_sync(_scaled_down, services.store, sha256, limiter=services.decoders)
    return Response(data, media_type="image/webp", headers=HEADERS)


@lru_cache(maxsize=MOST_CACHED)
def _scaled_down(store: ArtifactStore, sha256: str) -> bytes:
    with Image.open(io.BytesIO(store.get(sha256)), formats=["PNG", "JPEG", "WEBP"]) as picture:
        # The values of a mask are classes: a value between two of them would be a third class.
        resampling = Image.Resampling.NEAREST if picture.mode == "P" else Image.Resampling.LANCZOS
        # Pillow decodes a JPEG at half or a quarter of its size if that is enough.
        picture.draft(None, (SIDE * 2, SIDE * 2))
        picture.thumbnail((SIDE, SIDE), resampling)
        buffer = io.BytesIO()
        picture.convert("RGBA" if "A" in picture.getbands() else "RGB").save(buffer, "WEBP", quality=QUALITY)
        return buffer.getvalue()
