"""Provenance: what a file says about its origin, and which jobs of the caller made it."""

from typing import Annotated

from brushwork_core.media.decoders.current import on_behalf_of
from brushwork_core.media.picture_formats import is_picture_type
from brushwork_schemas.artifact import MAX_PICTURE_BYTES, MP4, Artifact
from brushwork_schemas.artifact.provenance_report import Credentials, Labels, ProvenanceReport
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.wording.translation import reader_language, translated
from fastapi import APIRouter, Depends

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.bodies.received import Received, received_to_read
from brushwork.gateway.dependencies import Gateway, Reader
from brushwork.gateway.media_types import FORM, PICTURES
from brushwork.gateway.routes.files import FIELD, FileName
from brushwork.gateway.services import Services

router = APIRouter(prefix="/v1", tags=["files"])


@router.post(
    "/provenance", operation_id="read_provenance", summary="Read the provenance of a picture or video"
)
async def read(
    services: Gateway, principal: Reader, body: Annotated[Received, Depends(received_to_read)]
) -> ProvenanceReport:
    """Return what a picture or MP4 says about its origin, and the jobs that made it. It is not stored.

    Send the file as it is: another encoding has lost its metadata. `made_here` and `matches` are about jobs
    that the key may see. Whether a job of another tenant made the picture is not told.
    """
    return await services.decoders.run(principal.tenant, report_of, services, principal, _picture(body))


@router.get(
    "/files/{sha256}/provenance",
    operation_id="get_file_provenance",
    summary="Read the provenance of a stored picture",
)
async def stored(sha256: FileName, services: Gateway, principal: Reader) -> ProvenanceReport:
    """Return the same report about a stored file that the key may see."""
    return await services.decoders.run(principal.tenant, report_of_stored, services, principal, sha256)


def report_of(services: Services, principal: Principal, data: bytes) -> ProvenanceReport:
    """Return the report about a picture for a caller.

    Raises:
        InvalidImage: The file is no picture, or exceeds a limit.
    """
    with on_behalf_of(principal.tenant):
        return services.backend.file_origin.report(data, principal.tenant)


def report_of_stored(services: Services, principal: Principal, sha256: str) -> ProvenanceReport:
    """Return the report about a stored picture for a caller.

    Raises:
        FileNotFound: No file has this name, or it belongs to other tenants.
    """
    file = services.tenant_files.get(sha256, principal.tenant)
    services.audit.note_file(principal, sha256)
    is_video = file.media_type == MP4 and file.size_bytes <= MAX_PICTURE_BYTES
    if not is_picture_type(file.media_type) and not is_video:
        # It may be an archive of gigabytes.
        return _empty_report(file)
    return report_of(services, principal, services.store.get(sha256))


def _empty_report(file: Artifact) -> ProvenanceReport:
    """Return the report about a file that is not a picture, or a video that is too large to be read."""
    return ProvenanceReport(
        **file.model_dump(include={"sha256", "media_type", "size_bytes", "width", "height"}),
        made_here=False,
        credentials=Credentials(state="none"),
        labels=Labels(),
        problems=(str(translated(said("The file is not a picture."), reader_language())),),
    )


def _picture(body: Received) -> bytes:
    if body.media_type == FORM:
        file = body.files.get(FIELD)
        if body.files.keys() != {FIELD} or body.fields or not isinstance(file, bytes):
            raise InvalidRequest(
                said(
                    "{field}: the form must contain one picture with this name, and no other field.",
                    field=FIELD,
                ),
                field=FIELD,
            )
        return file
    if body.archive is not None or not (is_picture_type(body.media_type) or body.media_type == MP4):
        body.refuse_type(*PICTURES, MP4, FORM)
    return body.data
