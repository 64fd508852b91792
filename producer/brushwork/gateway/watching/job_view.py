"""A job as HTTP shows it: with its links."""

from brushwork_schemas.artifact import artifacts_within
from brushwork_schemas.job import Job
from brushwork_schemas.outlook import Outlook
from fastapi import Response
from pydantic import BaseModel, Field

from brushwork.gateway.root import below_root


class JobView(Job):
    """A job, and where to go from it."""

    links: dict[str, str] = Field(description="self, events, cancel, retry, and the files of its result.")
    outlook: Outlook | None = Field(
        None,
        description="What lies ahead of it. Null once it has ended, in lists and in answers to what was just "
        "submitted: ask for the job itself.",
    )


class JobPage(BaseModel):
    """Some jobs, newest first."""

    jobs: list[JobView]
    next: str | None = Field(None, description="Give it as `cursor` for the next page; null on the last.")


def view(job: Job, outlook: Outlook | None = None) -> JobView:
    """The job with its links, and with what lies ahead of it where somebody has looked."""
    return JobView.model_construct(**{**job.__dict__, "links": _links(job), "outlook": outlook})


def written(shown: BaseModel, response: Response) -> Response:
    """The answer, written out: FastAPI would check and copy a model that is known to be right.

    Args:
        shown: What is answered.
        response: What dependencies have said in its headers goes along.
    """
    answer = Response(shown.model_dump_json(), media_type="application/json")
    answer.headers.update(response.headers)
    return answer


def _links(job: Job) -> dict[str, str]:
    here = below_root(f"/v1/jobs/{job.id}")
    files = {
        f"file:{index}": below_root(f"/v1/files/{artifact.sha256}")
        for index, artifact in enumerate(artifacts_within(job.result))
    }
    todo = {"retry": f"{here}/retry"} if job.is_finished else {"cancel": f"{here}/cancel"}
    return {"self": here, "events": f"{here}/events", **todo, **files}
