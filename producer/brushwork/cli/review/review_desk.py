"""Where `brushwork review` finds held results: in the database, or at a gateway."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from brushwork_core.settings.environment import variable


@dataclass(frozen=True)
class ReviewFile:
    """A file of a held result.

    Args:
        sha256: Its name.
        media_type: What it is; None as long as it has not been read over HTTP.
    """

    sha256: str
    media_type: str | None = None


@dataclass(frozen=True)
class PendingReview:
    """A result that waits for a reviewer.

    Args:
        fields: What is printed as JSON: id, kind, model, tenant, request, result, policy, reason and since.
        files: The files of the result.
    """

    fields: dict[str, Any]
    files: tuple[ReviewFile, ...]


class ReviewDesk(ABC):
    """Lists held results, and ends their reviews. Each method raises `JobNotFound` if a job has none."""

    @abstractmethod
    def list(self, limit: int) -> Sequence[PendingReview]:
        """Return held results, the one that waits longest first."""

    @abstractmethod
    def get(self, job_id: str) -> PendingReview:
        """Return a held result."""

    @abstractmethod
    def content(self, job_id: str, file: ReviewFile) -> tuple[bytes, str]:
        """Return the bytes of a file, and its media type."""

    @abstractmethod
    def release(self, job_id: str) -> None:
        """Serve the result to its caller."""

    @abstractmethod
    def refuse(self, job_id: str, reason: str) -> None:
        """End the job as failed, and remove the result."""


@contextmanager
def opened_desk() -> Iterator[ReviewDesk]:
    """Open the gateway that `BRUSHWORK_URL` names, else the database.

    Raises:
        InvalidRequest: The address is not a gateway's.
        ServiceMisconfigured: Neither a gateway nor a database is named.
    """
    # Each is imported when it is opened: one needs httpx, the other SQLAlchemy.
    if variable("BRUSHWORK_URL"):
        from brushwork.cli.review.gateway_desk import gateway_desk

        with gateway_desk() as desk:
            yield desk
    else:
        from brushwork.cli.review.database_desk import database_desk

        with database_desk() as desk:
            yield desk
