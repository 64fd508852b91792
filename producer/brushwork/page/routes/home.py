"""The first page: a form for each kind of job, and the newest jobs."""

from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO

from anyio import to_thread
from brushwork_core.access.api_keys import Scope
from brushwork_schemas.catalogue import TRAINED, Catalogue, Model
from brushwork_schemas.errors import BrushworkError, RequestError
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import all_kinds, file_fields, kind_named
from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.bodies.received import LONGEST_FIELD_BESIDE_BYTES
from brushwork.gateway.bodies.submission import Submission
from brushwork.gateway.dependencies import Gateway, Reader, Submitter, visible
from brushwork.gateway.problems import headers_of, status_of
from brushwork.gateway.services import Services
from brushwork.inputs.archive_files import GivenArchive
from brushwork.inputs.file_inputs import FileInputs
from brushwork.page.forms.form_field import FormField, filled_in, form_fields
from brushwork.page.forms.typed_form import TypedForm
from brushwork.page.page_route import PageRoute
from brushwork.page.session import Session, led_to
from brushwork.page.views.thumbnail import Thumbnail

NEWEST = 12
MOST_FORM_FIELDS = 200
FIRST_KIND = next(iter(all_kinds()))

router = APIRouter(route_class=PageRoute)


@dataclass(frozen=True)
class ContactSheet:
    """An empty or filled form of one kind.

    Args:
        served: Those of its models that a worker has now.
    """

    kind: Kind
    models: list[Model]
    fields: list[FormField]
    served: frozenset[str]

    @classmethod
    def of(cls, kind_name: str, services: Services, principal: Principal) -> "ContactSheet":
        """The kind's form as this caller gets it."""
        kind = kind_named(kind_name)
        models = list(services.client.models_of(principal.tenant or "", kind.name))
        add_ons = Catalogue.load(services.settings.catalogue).add_ons
        fields = form_fields(kind, models, tenants=principal.tenant is None, add_ons=add_ons)
        workers = services.outlooks.serving(kind.name)
        here = {name for worker in workers for name in worker.models}
        served = {
            model.name
            for model in models
            if model.name in here or (workers and model.name.startswith(TRAINED))
        }
        return cls(kind, models, fields, frozenset(served))

    @property
    def defaults(self) -> dict[str, dict[str, Any]]:
        """What each model fills in, for the script that shows it."""
        return {model.name: filled_in(model, self.kind) for model in self.models}


@router.get("/")
def front(
    request: Request,
    services: Gateway,
    principal: Reader,
    kind: str = FIRST_KIND,
    again: Annotated[str | None, Query(max_length=64)] = None,
    image: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")] = None,
    prompt: Annotated[str | None, Query(max_length=2000)] = None,
    model: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """The form of one kind; filled with a job's request, with a picture, words or a model, if asked for."""
    sheet = ContactSheet.of(kind, services, principal)
    if again is None:
        typed = TypedForm.fresh(sheet.fields)
    else:
        job = visible(services, principal, again)
        sheet = ContactSheet.of(job.kind, services, principal)
        typed = TypedForm.of_job(job, sheet.fields)
    typed.stored |= {"image": image} if image else {}
    typed.values |= {"prompt": prompt} if prompt else {}
    typed.values |= {"model": model} if model else {}
    return _shown(Session(request, principal), services, principal, sheet, typed)


@router.post("/jobs")
async def submit(request: Request, services: Gateway, principal: Submitter) -> Response:
    """Submit what the form holds; where it is refused, show it again with the reason at its field."""
    most_bytes = services.settings.max_upload_bytes
    bounds = {"max_fields": MOST_FORM_FIELDS, "max_part_size": LONGEST_FIELD_BESIDE_BYTES}
    async with request.form(max_files=len(file_fields()), **bounds) as form:
        name = form.get("kind")
        kind = name if isinstance(name, str) else FIRST_KIND
        sheet = await run_in_threadpool(ContactSheet.of, kind, services, principal)
        typed = await TypedForm.posted(form, sheet.fields, most_bytes)
        try:
            parameters = {**typed.parameters(sheet.fields), "kind": sheet.kind.name}
            accepted = await Submission(services, principal).accept([parameters])
        except RequestError as error:
            await _keep_files(services, principal, typed, error)
            session = Session(request, principal)
            page = await run_in_threadpool(_shown, session, services, principal, sheet, typed, error)
            page.headers.update(headers_of(error))
            return page
    return led_to(f"/jobs/{accepted.jobs[0].id}")


async def _keep_files(
    services: Services, principal: Principal, typed: TypedForm, error: RequestError
) -> None:
    """Keep files whose job was refused for something else, so that nobody has to choose them again."""
    for name, file in typed.files.items():
        if error.field != name:
            limiter = services.decoders if isinstance(file, bytes) else services.fetchers
            kept = await to_thread.run_sync(_kept, services, principal, name, file, limiter=limiter)
            typed.stored |= {name: kept} if kept else {}


def _kept(services: Services, principal: Principal, name: str, file: bytes | BinaryIO) -> str | None:
    inputs = FileInputs(services.store, max_dataset_bytes=services.settings.max_dataset_bytes)
    try:
        read = inputs.read(file, name)
    except (BrushworkError, ValueError):
        # Nothing is lost that could be kept: it is no such file, or was read and closed already.
        return None
    artifact = inputs.keep(read)
    if isinstance(read, GivenArchive):
        read.close()
    services.tenant_files.enter(principal.tenant or "", artifact)
    return artifact.sha256


def _shown(
    session: Session,
    services: Services,
    principal: Principal,
    sheet: ContactSheet,
    typed: TypedForm,
    error: BrushworkError | None = None,
) -> Response:
    # Of who comes here with a form that was refused, it is not sure.
    may_read = principal.may(Scope.READ)
    newest = services.client.list(tenant=principal.tenant, limit=NEWEST) if may_read else []
    return session.shown(
        "front.html",
        200 if error is None else status_of(error),
        kinds=all_kinds(),
        sheet=sheet,
        typed=typed,
        error=error,
        wrong=error.field.partition(".")[0] if error is not None and error.field else None,
        thumbnails=[Thumbnail.of(job) for job in newest],
    )
