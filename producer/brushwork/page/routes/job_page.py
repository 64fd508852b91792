"""A job's page: how far it is, what came of it, and all it takes to make it again."""

import secrets
from typing import Annotated

from brushwork_schemas.admission import SEED_BITS
from brushwork_schemas.kinds.registry import kind_named
from fastapi import APIRouter, Form, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from brushwork.gateway.bodies.submission import Submission
from brushwork.gateway.dependencies import Gateway, Reader, Submitter, visible
from brushwork.gateway.services import Services
from brushwork.page.page_route import PageRoute
from brushwork.page.session import Session, led_to
from brushwork.page.views import repeat_commands
from brushwork.page.views.job_view import JobDetails

router = APIRouter(prefix="/jobs/{job_id}", route_class=PageRoute)
UPSCALING = "image-upscaling"
JobId = Annotated[str, Path(max_length=64)]


@router.get("")
def job_page(job_id: JobId, request: Request, services: Gateway, principal: Reader) -> Response:
    """All there is to know of a job."""
    job = visible(services, principal, job_id)
    session = Session(request, principal)
    return session.shown(
        "job.html",
        job=job,
        enlarges=_is_served(UPSCALING, services),
        job_details=JobDetails.of(job, services.store, services.tenant_files),
        outlook=services.outlooks.of(job),
        curl=repeat_commands.curl(job, session.origin, with_key=principal.key is not None),
        python=repeat_commands.python(job, session.origin),
    )


def _is_served(kind: str, services: Services) -> bool:
    """Whether a worker has the kind's default model now."""
    models = services.client.models(kind)
    return bool(models and services.outlooks.serving(kind, models[0].name))


@router.post("/again")
async def again(
    job_id: JobId,
    services: Gateway,
    principal: Submitter,
    seed: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Submit the same request once more; with `seed=new` with another seed."""
    job = await run_in_threadpool(visible, services, principal, job_id)
    changes = {"seed": secrets.randbits(SEED_BITS)} if seed == "new" else {}
    accepted = await Submission(services, principal).accept_again(job, changes)
    return led_to(f"/jobs/{accepted.jobs[0].id}")


@router.post("/next")
async def look_at(
    job_id: JobId,
    services: Gateway,
    principal: Submitter,
    kind: Annotated[str, Form(max_length=100)],
    image: Annotated[str, Form(max_length=64)],
    language: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Submit a job of another kind that looks at one of this job's pictures."""
    job = await run_in_threadpool(visible, services, principal, job_id)
    parameters = {"kind": kind, "image": image}
    if principal.tenant is None:
        parameters["tenant"] = job.tenant
    if language and "language" in kind_named(kind).request_type.model_fields:
        parameters["language"] = language
    accepted = await Submission(services, principal).accept([parameters])
    return led_to(f"/jobs/{accepted.jobs[0].id}")


@router.post("/cancel")
def cancel(job_id: JobId, services: Gateway, principal: Submitter) -> Response:
    """Withdraw the job; its page says what came of it."""
    visible(services, principal, job_id)
    services.client.cancel(job_id)
    return led_to(f"/jobs/{job_id}")
