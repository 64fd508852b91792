"""The home page: a form for each kind of job, and the newest jobs."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO

from brushwork_core.access.api_keys import Scope
from brushwork_core.media.decoders.current import on_behalf_of
from brushwork_schemas.artifact.provenance_report import ProvenanceReport
from brushwork_schemas.catalogue import TRAINED, Catalogue, Model
from brushwork_schemas.errors import BrushworkError, PluginFailed, RequestError
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import all_kinds, kind_named
from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.bodies.received import LONGEST_FIELD_BESIDE_BYTES, MOST_FILES, take_for_form
from brushwork.gateway.bodies.submission import Submission
from brushwork.gateway.dependencies import Gateway, ListPlace, Reader, Submitter, visible
from brushwork.gateway.problems import headers_of, status_of
from brushwork.gateway.services import Services
from brushwork.inputs.archive_files import GivenArchive
from brushwork.inputs.file_inputs import FileInputs
from brushwork.inputs.recorded_files import stored_and_recorded
from brushwork.page.forms.form_errors import FormErrors
from brushwork.page.forms.form_field import FormField
from brushwork.page.forms.kind_form import filled_in, form_fields
from brushwork.page.forms.typed_form import TypedForm
from brushwork.page.page_route import PageRoute
from brushwork.page.session import Session, redirect_to
from brushwork.page.views.thumbnail import Thumbnail

NEWEST = 12
MOST_FORM_FIELDS = 200

router = APIRouter(route_class=PageRoute)


@dataclass(frozen=True)
class KindForm:
    """The form of one kind.

    Args:
        kind: The kind.
        models: The models of the kind that the caller may use, the default first.
        fields: The fields of the form.
        served: Names of the models that a worker has now.
    """

    kind: Kind
    models: list[Model]
    fields: list[FormField]
    served: frozenset[str]

    @classmethod
    def of(cls, kind_name: str, services: Services, principal: Principal, language: str) -> "KindForm":
        """Return the form of a kind for a caller and a language."""
        kind = kind_named(kind_name)
        models = list(services.client.models_of(principal.tenant or "", kind.name))
        add_ons = Catalogue.load(services.settings.catalogue).add_ons
        fields = form_fields(
            kind, models, tenants=principal.tenant is None, add_ons=add_ons, language=language
        )
        workers = services.outlooks.serving(kind.name)
        loadable = {name for worker in workers for name in worker.models}
        served = {
            model.name
            for model in models
            if model.name in loadable or (workers and model.name.startswith(TRAINED))
        }
        return cls(kind, models, fields, frozenset(served))

    @property
    def defaults(self) -> dict[str, dict[str, Any]]:
        """The defaults of each model, which the script shows in empty fields."""
        return {model.name: filled_in(model, self.kind) for model in self.models}


@router.get("/", dependencies=[ListPlace])
def home(
    request: Request,
    services: Gateway,
    principal: Reader,
    kind: str = "",
    again: Annotated[str | None, Query(max_length=64)] = None,
    image: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")] = None,
    prompt: Annotated[str | None, Query(max_length=2000)] = None,
    model: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Show the form of a kind, filled with the request of a job, a picture, a prompt or a model if given."""
    session = Session(request, principal, services)
    job = visible(services, principal, again) if again is not None else None
    kind_name = job.kind if job else kind or first_kind()
    form = KindForm.of(kind_name, services, principal, session.words.language)
    typed = TypedForm.of_job(job, form.fields) if job else TypedForm.fresh(form.fields)
    if image:
        typed.take_picture(form.kind, image)
    typed.values |= {"prompt": prompt} if prompt else {}
    typed.values |= {"model": model} if model else {}
    return shown(session, services, principal, form, typed)


@router.post("/jobs")
async def submit(request: Request, services: Gateway, principal: Submitter) -> Response:
    """Submit the form. If the request is refused, show the form again with the error at its field."""
    most_bytes = services.settings.max_upload_bytes
    bounds = {"max_fields": MOST_FORM_FIELDS, "max_part_size": LONGEST_FIELD_BESIDE_BYTES}
    session = Session(request, principal, services)
    language = session.words.language
    async with AsyncExitStack() as stack:
        room = await stack.enter_async_context(services.bodies.room(principal.stream_tenant))
        await take_for_form(room, request, most_bytes)
        posted = await stack.enter_async_context(request.form(max_files=MOST_FILES, **bounds))
        name = posted.get("kind")
        kind = name if isinstance(name, str) else first_kind()
        form = await run_in_threadpool(KindForm.of, kind, services, principal, language)
        typed = await TypedForm.posted(posted, form.fields, most_bytes)
        try:
            parameters = {**typed.parameters(form.fields), "kind": form.kind.name}
            accepted = await Submission(services, principal).accept([parameters])
        except (RequestError, PluginFailed) as error:
            await _keep_files(services, principal, typed, error)
            page = await run_in_threadpool(shown, session, services, principal, form, typed, error)
            page.headers.update(headers_of(error))
            return page
    return redirect_to(f"/jobs/{accepted.jobs[0].id}")


def first_kind() -> str:
    """Return the kind whose form is shown first."""
    return next(iter(all_kinds()))


async def _keep_files(
    services: Services, principal: Principal, typed: TypedForm, error: BrushworkError
) -> None:
    """Keep the files of a refused form, so that they need not be chosen again. The wrong file is not kept."""
    errors = error.errors if isinstance(error, RequestError) else ()
    wrong = {(each.field or "").partition(".")[0] for each in errors}
    for name, file in typed.files.items():
        if name not in wrong:
            kept = await _kept_in_thread(services, principal, name, file)
            typed.stored |= {name: kept} if kept else {}
    wrong_places = {each.field for each in errors}
    for name, files in typed.file_lists.items():
        stored = typed.stored_lists.setdefault(name, [])
        for place, file in [(f"{name}.{len(stored) + index}", file) for index, file in enumerate(files)]:
            if place not in wrong_places:
                kept = await _kept_in_thread(services, principal, place, file)
                stored.extend([kept] if kept else [])
    for name, files in typed.added.items():
        stored = []
        for file in files if name not in wrong else ():
            place = f"{name}.0.images.0"
            kept = await _kept_in_thread(services, principal, place, file)
            stored += [kept] if kept else []
        typed.keep_added(name, stored)


async def _kept_in_thread(
    services: Services, principal: Principal, place: str, file: bytes | BinaryIO
) -> str | None:
    threads = services.decoders if isinstance(file, bytes) else services.fetchers
    return await threads.run(principal.tenant, _kept, services, principal, place, file)


def _kept(services: Services, principal: Principal, name: str, file: bytes | BinaryIO) -> str | None:
    inputs = FileInputs(
        services.store,
        max_dataset_bytes=services.settings.max_dataset_bytes,
        decoder=services.backend.decoder,
    )
    try:
        with on_behalf_of(principal.tenant):
            read = inputs.read(file, name)
        with services.limits.storing(principal, 0):
            # Raises if the quota is reached: then the file must be chosen again.
            pass
    except (BrushworkError, ValueError):
        # The file is not a picture or archive, or it was read and closed before.
        return None

    def attempt() -> str:
        artifact = inputs.keep(read)
        services.tenant_files.record_upload(principal.tenant or "", artifact)
        return artifact.sha256

    try:
        return stored_and_recorded(attempt)
    finally:
        if isinstance(read, GivenArchive):
            read.close()


def shown(
    session: Session,
    services: Services,
    principal: Principal,
    form: KindForm,
    typed: TypedForm,
    error: BrushworkError | None = None,
    report: ProvenanceReport | None = None,
) -> Response:
    """Show the home page.

    Args:
        session: The request.
        services: Reads the newest jobs.
        principal: The caller.
        form: The form of a kind.
        typed: What its fields show.
        error: Why what was sent was refused.
        report: What a picture says about its origin.
    """
    # A caller whose form was refused may have the right to submit only.
    may_read = principal.may(Scope.READ)
    newest = services.client.list(tenant=principal.tenant, limit=NEWEST) if may_read else []
    services.audit.note(principal, newest)
    return session.shown(
        "home.html",
        200 if error is None else status_of(error),
        kinds=all_kinds(),
        form=form,
        typed=typed,
        error=error,
        report=report,
        errors=FormErrors.of(error, form.fields, session.words),
        thumbnails=[Thumbnail.of(job) for job in newest],
    )
