"""A job in answers: with links and outlook."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from brushwork_schemas.artifact import artifacts_within
from brushwork_schemas.job import Job, JobError
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.wording.translation import reader_language
from fastapi import Response
from pydantic import BaseModel, Field

from brushwork.gateway.root import below_root


class JobView(Job):
    """A job with links."""

    links: dict[str, str] = Field(
        description="Paths: self, events, cancel or retry, and the files of the result."
    )
    outlook: Outlook | None = Field(
        None,
        description="Position in the queue and estimated times. Null for an ended job, in lists, and in the "
        "answer to a submit: get the job for it.",
    )


class JobPage(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[JobView]
    next: str | None = Field(
        None, description="Pass it as `cursor` to get the next page. Null on the last page."
    )


def view(job: Job, outlook: Outlook | None = None) -> JobView:
    """Return a job with its links and, if given, its outlook."""
    errors = {"error": _read(job.error), "last_error": _read(job.last_error)}
    return JobView.model_construct(**{**job.__dict__, **errors, "links": _links(job), "outlook": outlook})


def changed_view(job: Job, *, may_read: bool, has_sent_request: bool = False) -> JobView:
    """Return a job as the answer to a caller who may change it, but perhaps not read it.

    Args:
        job: The job.
        may_read: Whether the caller has the scope `read`. Without it, the caller learns the state of the job
            and its times, but not what was requested, by which worker, and what came of it.
        has_sent_request: Whether the caller has just sent the request of the job.
    """
    if may_read:
        return view(job)
    request = job.request if has_sent_request else {}
    return view(job.model_copy(update={**_UNREAD, "request": request}))


# Of a job in the answer to a key without the scope `read`.
_UNREAD: Mapping[str, Any] = {
    **dict.fromkeys(("result", "review", "error", "last_error")),
    **dict.fromkeys(("worker", "traceparent", "idempotency_key", "group")),
    "curve": (),
}


def _read(error: JobError | None) -> JobError | None:
    """Return an error as the reader may read it, in the language of the reader."""
    return error.for_reader().in_language(reader_language()) if error is not None else None


def written(shown: BaseModel, response: Response) -> Response:
    """Return an answer as JSON. FastAPI would validate and copy the model, which is known to be valid.

    Args:
        shown: Content of the answer.
        response: Response of the route, whose headers the answer gets.
    """
    answer = Response(shown.model_dump_json(), media_type="application/json")
    answer.headers.update(response.headers)
    # The error of a job is in the language of the reader.
    answer.headers.update({"Content-Language": reader_language(), "Vary": "Accept-Language"})
    return answer


def _links(job: Job) -> dict[str, str]:
    here = below_root(f"/v1/jobs/{quote(job.id, safe='')}")
    files = {
        f"file:{index}": below_root(f"/v1/files/{artifact.sha256}")
        for index, artifact in enumerate(artifacts_within(job.result))
    }
    todo = {"retry": f"{here}/retry"} if job.is_finished else {"cancel": f"{here}/cancel"}
    return {"self": here, "events": f"{here}/events", **todo, **files}
