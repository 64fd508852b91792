"""Files: pictures and data sets brought before the jobs that need them, and the files that jobs have made."""

from typing import Annotated, BinaryIO

from anyio import to_thread
from brushwork_core.access.api_keys import Scope
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.media import pictures
from brushwork_core.media.archive_type import ENDINGS
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import InvalidRequest
from fastapi import APIRouter, Depends, Header, Path, Query, Response
from starlette.responses import StreamingResponse

from brushwork.gateway.admission.access import Principal, asks_for
from brushwork.gateway.bodies.byte_range import NotSatisfiable, parsed_range
from brushwork.gateway.bodies.received import ARCHIVES, FORM, Received, received
from brushwork.gateway.problems import problem_response
from brushwork.gateway.root import below_root
from brushwork.gateway.services import Services
from brushwork.inputs.dataset_input import DatasetInputs

router = APIRouter(prefix="/v1/files", tags=["files"])
Reader = Annotated[Principal, Depends(asks_for(Scope.READ))]
Submitter = Annotated[Principal, Depends(asks_for(Scope.SUBMIT))]
Gateway = Annotated[Services, Depends(Services.of)]
FileName = Annotated[str, Path(description="SHA-256 of the file, 64 hexadecimal digits.")]
FIELD = "file"
PICTURES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_ENDINGS = {
    **PICTURES,
    **ENDINGS,
    "application/json": "json",
    "application/vnd.safetensors": "safetensors",
}
# What a browser may show; all else it saves.
_SHOWN = (*PICTURES, "application/json")


@router.post("", status_code=201, operation_id="upload_file", summary="Bring a picture or a data set")
async def upload(
    response: Response,
    services: Gateway,
    principal: Submitter,
    body: Annotated[Received, Depends(received)],
) -> Artifact:
    """Store a picture, or an archive to train on, for jobs to name it by its SHA-256.

    A picture with metadata, an orientation or transparency is written anew as PNG, so the name may be that of
    other bytes than were sent; bringing the same file again is harmless. What an archive holds is looked at
    by the job that trains on it.
    """
    file = _file_of(body)
    limiter = services.decoders if isinstance(file, bytes) else services.fetchers
    artifact = await to_thread.run_sync(_keep, services, principal, file, limiter=limiter)
    response.headers["Location"] = below_root(f"/v1/files/{artifact.sha256}")
    return artifact


@router.get("/{sha256}", operation_id="get_file", summary="A file", response_class=StreamingResponse)
def get(
    sha256: FileName,
    services: Gateway,
    principal: Reader,
    byte_range: Annotated[
        str | None, Header(alias="Range", description="`bytes=0-99`: only this part of it.")
    ] = None,
    if_range: Annotated[
        str | None, Header(description="Only of the file with this ETag is the part.")
    ] = None,
    if_none_match: Annotated[str | None, Header(description="ETags that the caller has already.")] = None,
    download: Annotated[bool, Query(description="For a browser to save and not to show it.")] = False,
) -> Response:
    """The file as it was stored, in pieces; whole, or the part that `Range` names."""
    artifact = TenantFiles(services.database).get(sha256, principal.tenant)
    headers = _headers(artifact, download)
    if _is_known(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    try:
        part = parsed_range(byte_range if if_range in (None, headers["ETag"]) else None, artifact.size_bytes)
    except NotSatisfiable:
        return _no_such_part(artifact)
    start, end = (part.start, part.end) if part else (0, artifact.size_bytes)
    headers["Content-Length"] = str(end - start)
    if part:
        headers["Content-Range"] = part.content_range
    return StreamingResponse(
        services.store.stream(sha256, start, end),
        206 if part else 200,
        headers=headers,
        media_type=artifact.media_type,
    )


@router.head("/{sha256}", operation_id="head_file", summary="What a file is", response_class=Response)
def head(sha256: FileName, services: Gateway, principal: Reader) -> Response:
    """The headers that `GET` would answer with."""
    artifact = TenantFiles(services.database).get(sha256, principal.tenant)
    headers = {**_headers(artifact, False), "Content-Length": str(artifact.size_bytes)}
    return Response(headers=headers, media_type=artifact.media_type)


def _file_of(body: Received) -> bytes | BinaryIO:
    if body.archive is not None:
        return body.archive
    if body.media_type == FORM:
        if body.files.keys() != {FIELD} or body.fields:
            raise InvalidRequest(f"The form should hold one file, {FIELD!r}, and nothing else.", field=FIELD)
        return body.files[FIELD]
    if body.media_type not in PICTURES:
        body.refuse_type(*PICTURES, *ARCHIVES, FORM)
    return body.data


def _keep(services: Services, principal: Principal, file: bytes | BinaryIO) -> Artifact:
    if isinstance(file, bytes):
        plain, _ = pictures.cleaned(file, field=FIELD)
        artifact = services.store.put_picture(plain)
    else:
        artifact = _kept_dataset(services, file)
    TenantFiles(services.database).record_upload(principal.tenant or "", artifact)
    return artifact


def _kept_dataset(services: Services, file: BinaryIO) -> Artifact:
    datasets = DatasetInputs(services.store, services.settings.max_dataset_bytes)
    found = datasets.read(file, FIELD)
    return found if isinstance(found, Artifact) else datasets.keep(found)


def _headers(artifact: Artifact, download: bool) -> dict[str, str]:
    name = f"{artifact.sha256[:16]}.{_ENDINGS.get(artifact.media_type, 'bin')}"
    manner = "attachment" if download or artifact.media_type not in _SHOWN else "inline"
    return {
        "ETag": f'"{artifact.sha256}"',
        "Accept-Ranges": "bytes",
        # Named by its content, it never changes; private, for it is one tenant's.
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": f'{manner}; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }


def _is_known(if_none_match: str | None, etag: str) -> bool:
    known = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    return etag in known or known == ["*"]


def _no_such_part(artifact: Artifact) -> Response:
    return problem_response(
        416,
        "range_not_satisfiable",
        f"The file has {artifact.size_bytes} bytes, and none of those asked for.",
        field="Range",
        headers={"Content-Range": f"bytes */{artifact.size_bytes}"},
    )
