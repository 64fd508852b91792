"""What the command line and the page show of a job, whatever its kind."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from brushwork_schemas.artifact import Artifact, artifacts_within
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.kinds.view import Block

if TYPE_CHECKING:
    from brushwork_schemas.job import Job


class Presentation:
    """A job as its kind presents it.

    A job whose kind is not installed, and a result that a newer version wrote, present nothing but the
    request.

    Args:
        job: The job, in any state.
    """

    def __init__(self, job: "Job") -> None:
        self.job = job
        self.kind: Kind | None = all_kinds().get(job.kind)

    @cached_property
    def result(self) -> Any:
        """The result, or None if there is none of the kind's result type."""
        is_readable = self.kind is not None and isinstance(self.job.result, self.kind.result_type)
        return self.job.result if is_readable else None

    @cached_property
    def request(self) -> Mapping[str, Any]:
        """The request by field. The request of a refused job may be anything that its sender wrote."""
        request = self.job.request
        if isinstance(request, BaseModel):
            return request.model_dump(mode="json")
        return request if isinstance(request, Mapping) else {}

    @cached_property
    def headline(self) -> str:
        """One line about the result, else the prompt; empty if there is neither."""
        found = self.kind.headline(self.result) if self.kind and self.result is not None else ""
        prompt = self.request.get("prompt")
        return found or (prompt if isinstance(prompt, str) else "")

    @cached_property
    def facts(self) -> Sequence[tuple[str, str]]:
        """Label and value of what the result says."""
        found: Iterable[tuple[str, str]] = ()
        if self.kind and self.result is not None:
            found = self.kind.facts(self.result)
        return list(found)

    @cached_property
    def blocks(self) -> Sequence[Block]:
        """The blocks of the job's page, also of a job that still runs."""
        is_unreadable = self.job.result is not None and self.result is None
        return () if self.kind is None or is_unreadable else self.kind.view(self.job)

    @cached_property
    def pictures(self) -> Sequence[Artifact]:
        """The main pictures of the result, main picture first."""
        return self.kind.main_pictures(self.result) if self.kind and self.result is not None else ()

    @cached_property
    def files(self) -> Mapping[str, Artifact]:
        """The files of the result by file name, without an ending."""
        return self.kind.files_by_name(self.result) if self.kind and self.result is not None else {}

    @cached_property
    def result_fields(self) -> Sequence[tuple[str, Artifact]]:
        """The files of the result, each with the name of its field."""
        if self.result is None:
            return ()
        names = type(self.result).model_fields
        return [(name, file) for name in names for file in artifacts_within(getattr(self.result, name))]
