"""Submit many jobs with one request: all, or none."""

from typing import Any

from brushwork_schemas.errors import RequestError
from brushwork_schemas.wording.phrase import said
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from brushwork.gateway.bodies.batch import MOST_JOBS, BatchRequest
from brushwork.gateway.bodies.json_body import parsed_object
from brushwork.gateway.bodies.received import Received
from brushwork.gateway.bodies.submission import Submission
from brushwork.gateway.dependencies import Gateway, Submitter
from brushwork.gateway.media_types import JSON
from brushwork.gateway.routes.submit import Body
from brushwork.gateway.watching.job_view import JobView, changed_view

router = APIRouter(tags=["jobs"])


class JobList(BaseModel):
    """Jobs in the order of their requests."""

    jobs: list[JobView] = Field(max_length=MOST_JOBS)


@router.post("/v1/jobs:batch", status_code=201, operation_id="submit_batch", summary="Submit many jobs")
async def submit_batch(services: Gateway, principal: Submitter, body: Body, response: Response) -> JobList:
    """Submit up to 1000 jobs. If one is wrong, none is accepted. `field` names it: `requests[3].prompt`."""
    requests = await run_in_threadpool(_requests_of, body)
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


def _place(error: RequestError) -> None:
    if error.index is None:
        return
    where = f"requests[{error.index}]"
    error.field = f"{where}.{error.field}" if error.field else where
    if not error.message.startswith(f"{where}: "):
        error.message = said("requests[{index}]: {message}", index=error.index, message=error.message)
