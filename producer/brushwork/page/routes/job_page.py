"""The page of a job: its progress, its result, and what is needed to run it again."""

import secrets
from collections.abc import Callable
from typing import Annotated
from urllib.parse import quote

from brushwork_core.audit.audit_log import AuditAction
from brushwork_schemas.admission import SEED_BITS
from brushwork_schemas.kinds.registry import kind_named
from fastapi import APIRouter, Form, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.bodies.submission import Submission
from brushwork.gateway.dependencies import Gateway, Reader, Submitter, reachable, visible
from brushwork.gateway.services import Services
from brushwork.page.page_route import PageRoute
from brushwork.page.session import Session, redirect_to
from brushwork.page.views import repeat_commands
from brushwork.page.views.file_history import histories_of
from brushwork.page.views.follow_ups import follow_ups
from brushwork.page.views.job_view import JobDetails

router = APIRouter(prefix="/jobs/{job_id}", route_class=PageRoute)
JobId = Annotated[str, Path(max_length=64)]


@router.get("")
def job_page(job_id: JobId, request: Request, services: Gateway, principal: Reader) -> Response:
    """Show a job."""
    job = visible(services, principal, job_id)
    session = Session(request, principal, services)
    details = JobDetails.of(job, services.store, services.tenant_files)
    return session.shown(
        "job.html",
        job=job,
        details=details,
        histories=histories_of(details, services),
        follow_ups=follow_ups(job.kind, _is_served(services)),
        outlook=services.outlooks.of(job),
        curl=repeat_commands.curl(job, session.origin, with_key=principal.key is not None),
        python=repeat_commands.python(job, session.origin),
    )


def _is_served(services: Services) -> Callable[[str], bool]:
    """Return a function that tells whether a worker has the default model of a kind now."""
    models = services.client.models()

    def is_served(kind: str) -> bool:
        default = next((model.name for model in models if kind in model.kinds), None)
        return default is not None and bool(services.outlooks.serving(kind, default))

    return is_served


@router.post("/again")
async def again(
    job_id: JobId,
    services: Gateway,
    principal: Submitter,
    seed: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Submit the same request again; with `seed=new` with another seed."""
    job = await run_in_threadpool(reachable, services, principal, job_id)
    changes = {"seed": secrets.randbits(SEED_BITS)} if seed == "new" else {}
    accepted = await Submission(services, principal).accept_again(job, changes)
    await run_in_threadpool(services.audit.note, principal, [job], AuditAction.JOB_RETRIED)
    return redirect_to(f"/jobs/{accepted.jobs[0].id}")


@router.post("/next")
async def pass_on(
    job_id: JobId,
    services: Gateway,
    principal: Submitter,
    kind: Annotated[str, Form(max_length=100)],
    image: Annotated[str, Form(max_length=64)],
    language: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Submit a job of another kind with one of this job's pictures as its main input."""
    job = await run_in_threadpool(visible, services, principal, job_id)
    next_kind = kind_named(kind)
    # One picture counts as a list of one, where a kind takes several.
    parameters = {"kind": kind, next_kind.main_input or "image": image}
    if principal.tenant is None:
        parameters["tenant"] = job.tenant
    if language and "language" in next_kind.request_type.model_fields:
        parameters["language"] = language
    accepted = await Submission(services, principal).accept([parameters])
    return redirect_to(f"/jobs/{accepted.jobs[0].id}")


@router.post("/cancel")
async def cancel(job_id: JobId, services: Gateway, principal: Submitter) -> Response:
    """Cancel the job and show its page."""
    await services.write(principal, _cancel, services, principal, job_id)
    return redirect_to(f"/jobs/{quote(job_id, safe='')}")


def _cancel(services: Services, principal: Principal, job_id: str) -> None:
    job = reachable(services, principal, job_id)
    services.client.cancel(job_id)
    services.audit.note(principal, [job], AuditAction.JOB_CANCELED)


@router.post("/delete")
async def delete(job_id: JobId, services: Gateway, principal: Submitter) -> Response:
    """Delete the job and show the gallery. The page asks first."""
    await services.write(principal, services.client.delete_of, principal.tenant, job_id)
    return redirect_to("/gallery")
