"""The id of a job in the path of an address."""

from urllib.parse import quote

from brushwork_schemas.errors import JobNotFound
from brushwork_schemas.job import checked_id
from brushwork_schemas.wording.phrase import said


def job_segment(job_id: str) -> str:
    """Return the id of a job, escaped for a path.

    Raises:
        JobNotFound: No job can have this id, or none that can be reached by HTTP.
    """
    if "/" in checked_id(job_id):
        # A job from a bare Celery message may have such an id, but a path can't contain it.
        raise JobNotFound(
            said(
                "There is no job {job_id!r} that can be reached by HTTP: its id contains a slash.",
                job_id=job_id,
            ),
            field="id",
        )
    # Dots are escaped too: a path that ends in `..` would be normalized to another one.
    return quote(job_id, safe="").replace(".", "%2E")
