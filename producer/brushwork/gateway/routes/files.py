"""Files: uploaded pictures and archives, and the files that jobs have made."""

from typing import Annotated, BinaryIO

from brushwork_core.media.archive_type import ENDINGS
from brushwork_core.media.decoders.cleaning import clean, store_cleaned
from brushwork_core.media.decoders.current import on_behalf_of
from brushwork_core.media.picture_formats import is_picture_type
from brushwork_core.media.pictures import Reading
from brushwork_schemas.artifact import MP4, Artifact
from brushwork_schemas.errors import InvalidRequest, RangeNotSatisfiable
from brushwork_schemas.wording.phrase import said
from fastapi import APIRouter, Depends, Header, Path, Query, Response
from starlette.responses import StreamingResponse

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.admission.storage_quota import num_bytes_of
from brushwork.gateway.bodies.byte_range import parsed_range
from brushwork.gateway.bodies.received import Received, received
from brushwork.gateway.dependencies import Gateway, Reader, Submitter
from brushwork.gateway.media_types import ARCHIVES, FORM, PICTURES
from brushwork.gateway.problems import answer_to
from brushwork.gateway.root import below_root
from brushwork.gateway.services import Services
from brushwork.inputs.dataset_input import DatasetInputs
from brushwork.inputs.recorded_files import stored_and_recorded

router = APIRouter(prefix="/v1/files", tags=["files"])
FileName = Annotated[str, Path(description="SHA-256 of the file, in 64 hexadecimal digits.")]
IfNoneMatch = Annotated[
    str | None, Header(description="ETags that the caller has. A known file is answered with 304.")
]
Range = Annotated[str | None, Header(alias="Range", description="`bytes=0-99`: only this part of the file.")]
IfRange = Annotated[str | None, Header(description="`Range` applies only if the file has this ETag.")]
Download = Annotated[bool, Query(description="Whether a browser saves the file instead of showing it.")]
FIELD = "file"
_ENDINGS = {
    **PICTURES,
    **ENDINGS,
    "application/json": "json",
    "application/vnd.safetensors": "safetensors",
    MP4: "mp4",
}
# A browser may show these. It saves all others.
_SHOWN = (*PICTURES, "application/json", MP4)


@router.post("", status_code=201, operation_id="upload_file", summary="Upload a picture or an archive")
async def upload(
    response: Response,
    services: Gateway,
    principal: Submitter,
    body: Annotated[Received, Depends(received)],
    first_frame: Annotated[
        bool,
        Query(description="Store the first frame of an animated picture. Without this, it is refused."),
    ] = False,
) -> Artifact:
    """Store a picture or an archive. Jobs name it by its SHA-256.

    A picture with metadata, an orientation, transparency, other colours than sRGB, or another format than
    PNG, JPEG or WebP is stored as a new PNG, so its SHA-256 may differ from that of the sent bytes. The same
    file may be uploaded again. The content of an archive is checked by the job that uses it.
    """
    file = _file_of(body)
    threads = services.decoders if isinstance(file, bytes) else services.fetchers
    artifact = await threads.run(principal.tenant, _keep, services, principal, file, first_frame)
    response.headers["Location"] = below_root(f"/v1/files/{artifact.sha256}")
    return artifact


@router.get("/{sha256}", operation_id="get_file", summary="Download a file", response_class=StreamingResponse)
def get(
    sha256: FileName,
    services: Gateway,
    principal: Reader,
    byte_range: Range = None,
    if_range: IfRange = None,
    if_none_match: IfNoneMatch = None,
    download: Download = False,
) -> Response:
    """Return the stored file, or the part that `Range` selects."""
    artifact = services.tenant_files.get(sha256, principal.tenant)
    headers = _headers(artifact, download)
    if _is_known(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    services.audit.note_file(principal, sha256)
    return content_of(services, artifact, headers, byte_range, if_range)


@router.head(
    "/{sha256}", operation_id="head_file", summary="Get the headers of a file", response_class=Response
)
def head(
    sha256: FileName,
    services: Gateway,
    principal: Reader,
    if_none_match: IfNoneMatch = None,
    download: Download = False,
) -> Response:
    """Return the headers that `GET` returns without `Range`. Nothing is read from the store."""
    artifact = services.tenant_files.get(sha256, principal.tenant)
    headers = _headers(artifact, download)
    if _is_known(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(artifact.size_bytes)
    return Response(headers=headers, media_type=artifact.media_type)


def content_of(
    services: Services,
    artifact: Artifact,
    headers: dict[str, str],
    byte_range: str | None,
    if_range: str | None,
) -> Response:
    """Return the content of a file, or the part that a `Range` header selects.

    Args:
        services: Have the store.
        artifact: The file.
        headers: Headers of the answer, with its `ETag`.
        byte_range: The header `Range`.
        if_range: The header `If-Range`.
    """
    try:
        part = parsed_range(byte_range if if_range in (None, headers["ETag"]) else None, artifact.size_bytes)
    except RangeNotSatisfiable as error:
        return answer_to(error, {"Content-Range": f"bytes */{artifact.size_bytes}"})
    start, end = (part.start, part.end) if part else (0, artifact.size_bytes)
    headers = {**headers, "Content-Length": str(end - start)}
    if part:
        headers["Content-Range"] = part.content_range
    return StreamingResponse(
        services.store.stream(artifact.sha256, start, end),
        206 if part else 200,
        headers=headers,
        media_type=artifact.media_type,
    )


def _file_of(body: Received) -> bytes | BinaryIO:
    if body.archive is not None:
        return body.archive
    if body.media_type == FORM:
        if body.files.keys() != {FIELD} or body.fields:
            raise InvalidRequest(
                said(
                    "{field}: the form must contain one file with this name, and no other field.", field=FIELD
                ),
                field=FIELD,
            )
        return body.files[FIELD]
    if not is_picture_type(body.media_type):
        body.refuse_type(*PICTURES, *ARCHIVES, FORM)
    return body.data


def _keep(services: Services, principal: Principal, file: bytes | BinaryIO, first_frame: bool) -> Artifact:
    kept = file
    if isinstance(file, bytes):
        # With its transparency, because it may become a mask.
        with on_behalf_of(principal.tenant):
            kept = clean(services.backend.decoder, file, Reading(FIELD, None, first_frame))

    def attempt() -> Artifact:
        with services.limits.storing(principal, num_bytes_of(kept)):
            artifact = _kept(services, kept)
        services.tenant_files.record_upload(principal.tenant or "", artifact)
        return artifact

    return stored_and_recorded(attempt)


def _kept(services: Services, file: bytes | BinaryIO) -> Artifact:
    if isinstance(file, bytes):
        return store_cleaned(services.store, file)
    datasets = DatasetInputs(services.store, services.settings.max_dataset_bytes)
    found = datasets.read(file, FIELD)
    return found if isinstance(found, Artifact) else datasets.keep(found)


def _headers(artifact: Artifact, download: bool) -> dict[str, str]:
    name = f"{artifact.sha256[:16]}.{_ENDINGS.get(artifact.media_type, 'bin')}"
    manner = "attachment" if download or artifact.media_type not in _SHOWN else "inline"
    return {
        "ETag": f'"{artifact.sha256}"',
        "Accept-Ranges": "bytes",
        # A file never changes, for its name is the hash of its content. It belongs to one tenant.
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": f'{manner}; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }


def _is_known(if_none_match: str | None, etag: str) -> bool:
    known = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    return etag in known or known == ["*"]
