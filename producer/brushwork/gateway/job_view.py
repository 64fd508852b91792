"""A job as HTTP shows it: with its links."""

from brushwork_schemas.artifact import artifacts_within
from brushwork_schemas.job import Job
from pydantic import BaseModel, Field


class JobView(Job):
    """A job, and where to go from it."""

    links: dict[str, str] = Field(description="self, events, cancel, retry, and the files of its result.")


class JobPage(BaseModel):
    """Some jobs, newest first."""

    jobs: list[JobView]
    next: str | None = Field(None, description="Give it as `cursor` for the next page; null on the last.")


def view(job: Job) -> JobView:
    """The job with its links."""
    return JobView.model_construct(**{**job.__dict__, "links": _links(job)})


def _links(job: Job) -> dict[str, str]:
    here = f"/v1/jobs/{job.id}"
    files = {
        f"file:{index}": f"/v1/files/{artifact.sha256}"
        for index, artifact in enumerate(artifacts_within(job.result))
    }
    todo = {"retry": f"{here}/retry"} if job.is_finished else {"cancel": f"{here}/cancel"}
    return {"self": here, "events": f"{here}/events", **todo, **files}
