"""FastAPI dependencies that routes share: the services, the principal with its scope, and a visible job."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from brushwork_core.access.api_keys import Scope
from brushwork_core.audit.actor import Actor, act_as
from brushwork_schemas.errors import Forbidden, JobNotFound, ServiceUnreachable
from brushwork_schemas.job import Job
from brushwork_schemas.wording.disclosure import note_reader
from brushwork_schemas.wording.phrase import said
from fastapi import Depends, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from brushwork.gateway.admission.access import Principal, key_of
from brushwork.gateway.services import Services

LIST_WAIT_S = 60.0


def require_scope(scope: Scope) -> Callable[[Request, Response], Awaitable[Principal]]:
    """Return a dependency that gives the principal of a request.

    It counts the request for the rate limit of the key, and adds the rate limit headers to the response.

    Args:
        scope: Scope that the route requires.

    Raises:
        Unauthorized: From the dependency: the request has no valid API key, and needs one.
        Forbidden: From the dependency: the key does not have the scope.
        RateLimited: From the dependency: the key has used up its requests of this minute.
    """

    async def principal(request: Request, response: Response) -> Principal:
        services = await Services.of(request)
        key = key_of(request)
        found = services.access.cached(key)
        if found is None:
            # The database is read in a thread. The cache knows most keys, and needs none.
            found = await run_in_threadpool(services.access.principal, key)
        note_reader(is_operator=found.is_operator)
        act_as(Actor.of_key(found.key.id if found.key else None, _origin(request)))
        # Counted before the scope is checked: a refused request costs as much as another.
        if found.key is not None and found.key.requests_per_minute is not None:
            allowance = await run_in_threadpool(services.limits.count, found.key)
            response.headers.update(allowance.headers() if allowance else {})
        if not found.may(scope):
            raise Forbidden(
                said("This API key does not have the scope {value!r}.", value=scope.value),
                hint=said(
                    "An operator makes a key that has it: brushwork keys create NAME --scope {value}",
                    value=scope.value,
                ),
            )
        return found

    return principal


def _origin(request: Request) -> str:
    """The address of the client. The server reads it from the header of a proxy that it trusts."""
    return request.client.host if request.client else "unix socket"


Gateway = Annotated[Services, Depends(Services.of)]
Reader = Annotated[Principal, Depends(require_scope(Scope.READ))]
Reviewer = Annotated[Principal, Depends(require_scope(Scope.ADMIN))]
Submitter = Annotated[Principal, Depends(require_scope(Scope.SUBMIT))]


async def list_place(services: Gateway, principal: Reader) -> AsyncIterator[None]:
    """Hold a place among the requests that list jobs; a FastAPI dependency.

    Some lists read many rows. Without this, those of one tenant could occupy all threads.

    Raises:
        ServiceUnreachable: The lists of other requests have not ended for a minute.
    """
    try:
        held = await services.lists.take(principal.stream_tenant, within_s=LIST_WAIT_S)
    except TimeoutError:
        raise ServiceUnreachable("The database takes too long for lists of jobs.") from None
    try:
        yield
    finally:
        held.give_back()


ListPlace = Depends(list_place)
JobId = Annotated[str, Path(max_length=64, description="Id of the job.")]


def visible(services: Services, principal: Principal, job_id: str) -> Job:
    """Return a job that the principal reads. That an admin key reads a job of another tenant is recorded.

    Raises:
        JobNotFound: As `reachable`.
    """
    job = reachable(services, principal, job_id)
    services.audit.note(principal, [job])
    return job


def reachable(services: Services, principal: Principal, job_id: str) -> Job:
    """Return a job that the principal may see, to do something with it. The caller records what it does.

    Raises:
        JobNotFound: There is no such job, or it belongs to another tenant. Callers cannot tell which.
    """
    job = services.client.get(job_id)
    expect_visible(principal, job)
    return job


def expect_visible(principal: Principal, job: Job) -> None:
    """Return if the principal may see the job.

    Raises:
        JobNotFound: It belongs to another tenant.
    """
    if principal.tenant is not None and job.tenant != principal.tenant:
        raise JobNotFound(said("There is no job {job_id!r}.", job_id=job.id), field="id")
