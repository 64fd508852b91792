"""Small pictures for contact sheets, so that a page with many pictures loads quickly."""

from functools import lru_cache

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.media.decoders.current import on_behalf_of
from brushwork_core.media.decoders.decoder import Decoder
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from brushwork.gateway.dependencies import Gateway, Reader
from brushwork.gateway.services import Services

SIDE = 384
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
    await run_in_threadpool(services.audit.note_file, principal, sha256)
    if max(artifact.width, artifact.height) <= SIDE:
        data = await run_in_threadpool(services.store.get, sha256)
        return Response(data, media_type=artifact.media_type, headers=HEADERS)
    data = await services.decoders.run(principal.tenant, _scaled_down, services, principal.tenant, sha256)
    return Response(data, media_type="image/webp", headers=HEADERS)


def _scaled_down(services: Services, tenant: str | None, sha256: str) -> bytes:
    with on_behalf_of(tenant):
        return _scaled(services.store, services.backend.decoder, sha256)


@lru_cache(maxsize=MOST_CACHED)
def _scaled(store: ArtifactStore, decoder: Decoder, sha256: str) -> bytes:
    return decoder.thumbnail(store.get(sha256), SIDE)
