"""A picture that was dropped on the page: what it says about its origin, and a form with its parameters."""

from collections.abc import Mapping
from typing import Annotated, Any

from brushwork_schemas.artifact import is_sha256
from brushwork_schemas.artifact.provenance_report import EmbeddedParameters, ProvenanceReport
from brushwork_schemas.errors import BrushworkError, FileNotFound, InvalidImage, JobNotFound
from brushwork_schemas.kinds.file_places import field_of
from brushwork_schemas.kinds.registry import all_kinds, kind_named
from brushwork_schemas.wording.phrase import said
from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.bodies.received import Received, received_to_read
from brushwork.gateway.dependencies import Gateway, ListPlace, Reader, visible
from brushwork.gateway.problems import headers_of
from brushwork.gateway.routes.provenance import report_of
from brushwork.gateway.services import Services
from brushwork.page.forms.typed_form import TypedForm
from brushwork.page.page_route import PageRoute
from brushwork.page.routes.home import KindForm, first_kind, shown
from brushwork.page.session import Session

FIELD = "file"
router = APIRouter(route_class=PageRoute)


@router.post("/provenance", dependencies=[ListPlace])
async def read(
    request: Request,
    services: Gateway,
    principal: Reader,
    body: Annotated[Received, Depends(received_to_read)],
) -> Response:
    """Show what a picture says about its origin. Its parameters fill in the form."""
    session, file = Session(request, principal, services), body.files.get(FIELD)
    kind = body.fields.get("kind", "")
    try:
        if not isinstance(file, bytes) or not file:
            raise InvalidImage(said("{field}: choose a picture first.", field=FIELD), field=FIELD)
        report = await services.decoders.run(principal.tenant, report_of, services, principal, file)
    except InvalidImage as error:
        return await run_in_threadpool(_refused, session, services, principal, kind, error)
    return await run_in_threadpool(_shown, session, services, principal, kind, report)


def _refused(
    session: Session, services: Services, principal: Principal, kind: str, error: BrushworkError
) -> Response:
    form = KindForm.of(kind or first_kind(), services, principal, session.words.language)
    page = shown(session, services, principal, form, TypedForm.fresh(form.fields), error)
    page.headers.update(headers_of(error))
    return page


def _shown(
    session: Session, services: Services, principal: Principal, kind: str, report: ProvenanceReport
) -> Response:
    language = session.words.language
    if report.parameters is not None:
        form = KindForm.of(_kind_of(report.parameters, kind), services, principal, language)
        request = _usable(report.parameters, form, services, principal)
        return shown(
            session, services, principal, form, TypedForm.of_request(request, form.fields), report=report
        )
    for match in report.matches:
        try:
            job = visible(services, principal, match.job_id)
        except JobNotFound:
            # It was deleted meanwhile.
            continue
        form = KindForm.of(job.kind, services, principal, language)
        return shown(session, services, principal, form, TypedForm.of_job(job, form.fields), report=report)
    form = KindForm.of(kind or first_kind(), services, principal, language)
    return shown(session, services, principal, form, TypedForm.fresh(form.fields), report=report)


def _kind_of(parameters: EmbeddedParameters, chosen: str) -> str:
    """The kind whose form is filled in. Other programs do not say it; a prompt fits what takes one."""
    if parameters.kind in all_kinds():
        return str(parameters.kind)
    if chosen in all_kinds() and "prompt" in kind_named(chosen).request_type.model_fields:
        return chosen
    return first_kind()


def _usable(
    parameters: EmbeddedParameters, form: KindForm, services: Services, principal: Principal
) -> Mapping[str, Any]:
    """The parameters without what is not here: models, and files that the caller may not see."""
    request = dict(parameters.request)
    if request.get("model") not in {model.name for model in form.models}:
        request.pop("model", None)
    for name in form.kind.files:
        given = request.get(name)
        if not isinstance(given, str) or not is_sha256(given) or not _sees(services, principal, given):
            request.pop(name, None)
    for place, given in form.kind.files_in(request).items():
        if not is_sha256(given) or not _sees(services, principal, given):
            request.pop(field_of(place), None)
    return request


def _sees(services: Services, principal: Principal, sha256: str) -> bool:
    try:
        services.tenant_files.get(sha256, principal.tenant)
    except FileNotFound:
        return False
    return True
