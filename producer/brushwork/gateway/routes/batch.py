"""Submit many jobs with one request: all, or none."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from brushwork_schemas.errors import IdempotencyConflict, RequestError
from brushwork_schemas.wording.phrase import said
from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.bodies.batch import MOST_JOBS, BatchRequest
from brushwork.gateway.bodies.json_body import parsed_object
from brushwork.gateway.bodies.received import Received
from brushwork.gateway.bodies.submission import Submission
from brushwork.gateway.dependencies import Gateway, Submitter
from brushwork.gateway.media_types import JSON
from brushwork.gateway.routes.submit import Body
from brushwork.gateway.services import Services
from brushwork.gateway.watching.job_view import JobView, changed_view

router = APIRouter(tags=["jobs"])


# Room for `#999` within the 255 characters of a key.
BatchKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=250,
        pattern=r"^[\x21-\x7e]+$",
        description="A second batch with the same key and requests returns the first jobs. Job number 3 gets "
        "the key `KEY#3`, unless its request has an `idempotency_key` of its own.",
    ),
]


class JobList(BaseModel):
    """Jobs in the order of their requests."""

    jobs: list[JobView] = Field(max_length=MOST_JOBS)


@router.post("/v1/jobs:batch", status_code=201, operation_id="submit_batch", summary="Submit many jobs")
async def submit_batch(
    services: Gateway,
    principal: Submitter,
    body: Body,
    response: Response,
    idempotency_key: BatchKey = None,
) -> JobList:
    """Submit up to 1000 jobs. If one is wrong, none is accepted. `field` names it: `requests[3].prompt`."""
    requests = await run_in_threadpool(_requests_of, body)
    if idempotency_key is not None:
        requests = with_keys(requests, idempotency_key)
        await run_in_threadpool(_check_key, services, principal, requests, idempotency_key)
    try:
        accepted = await Submission(services, principal).accept(requests)
    except RequestError as error:
        _place(error)
        raise
    if not accepted.new:
        response.status_code = 200
    return JobList(
        jobs=[changed_view(job, may_read=principal.may_read, has_sent_request=True) for job in accepted.jobs]
    )


def _requests_of(body: Received) -> list[Any]:
    if body.media_type != JSON:
        body.refuse_type(JSON)
    return BatchRequest.read(parsed_object(body.data)).expanded()


def with_keys(requests: Sequence[Any], key: str) -> list[Any]:
    """Return the requests of a batch with a key of its own for each that has none."""
    return [
        {**each, "idempotency_key": f"{key}#{index}"}
        if isinstance(each, Mapping) and each.get("idempotency_key") is None
        else each
        for index, each in enumerate(requests)
    ]


def _check_key(services: Services, principal: Principal, requests: Sequence[Any], key: str) -> None:
    """Check that the key of a batch belongs to no other batch. What a request contains is checked later.

    Raises:
        IdempotencyConflict: Some jobs of the key exist and others do not, or there is one more.
    """
    keys: dict[str, list[str]] = {}
    for each in requests:
        if isinstance(each, Mapping) and str(each.get("idempotency_key")).startswith(f"{key}#"):
            keys.setdefault(str(principal.tenant or each.get("tenant") or ""), []).append(
                each["idempotency_key"]
            )
    known = sum(len(services.index.ids_of_keys(tenant, own)) for tenant, own in keys.items())
    beyond = f"{key}#{len(requests)}"
    is_longer = any(services.index.ids_of_keys(tenant, [beyond]) for tenant in keys)
    if known not in (0, sum(map(len, keys.values()))) or is_longer:
        raise IdempotencyConflict(
            said("The idempotency key {idempotency_key!r} was used for another batch.", idempotency_key=key),
            field="Idempotency-Key",
            hint="Use a new key for each request. Use the same key only to repeat the same request.",
        )


def _place(error: RequestError) -> None:
    if error.index is None:
        return
    where = f"requests[{error.index}]"
    error.field = f"{where}.{error.field}" if error.field else where
    if not error.message.startswith(f"{where}: "):
        error.message = said("requests[{index}]: {message}", index=error.index, message=error.message)
