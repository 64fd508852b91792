"""Requests that came by HTTP, on their way to jobs: for whom, with which files, whether they may pass."""

from collections.abc import Mapping, Sequence
from typing import Any

from anyio import CapacityLimiter, to_thread
from brushwork_schemas.errors import BrushworkError, InvalidRequest
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.kind import ARCHIVE
from brushwork_schemas.kinds.registry import file_fields

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.bodies.picture_source import PictureSource, resolved, resolved_dataset
from brushwork.gateway.services import Services
from brushwork.inputs.intake import repeated
from brushwork.transports.direct import Accepted


class Submission:
    """What one caller brings at once.

    Args:
        services: The gateway's.
        principal: Who asks.
    """

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal
        self._files = services.tenant_files
        # By what names them: a batch that says the same of many jobs holds their picture once.
        self._pictures: dict[str, Any] = {}

    async def accept(self, requests: Sequence[Any]) -> Accepted:
        """All of the requests, or none.

        Raises:
            RequestError: One of them is wrong; `index` says which.
            Postponed: Not now.
        """
        limiter = self._limiter(requests)
        return await to_thread.run_sync(self._accept, requests, limiter=limiter)

    async def accept_again(self, job: Job, changes: Mapping[str, Any]) -> Accepted:
        """A job that this caller may see once more, with changes.

        Raises:
            JobNotEnded: It can't be run again yet.
            RequestError: As `accept`.
        """
        limiter = self._limiter([changes])
        return await to_thread.run_sync(self._accept_again, job, changes, limiter=limiter)

    def _limiter(self, requests: Sequence[Any]) -> CapacityLimiter | None:
        """Who waits for whom: pictures take memory, and others should not wait for addresses and archives."""
        given = [
            (name, request[name])
            for request in requests
            if isinstance(request, Mapping)
            for name in file_fields()
            if request.get(name) is not None
        ]
        sources = {PictureSource.of(each) for _, each in given}
        is_archive = any(file_fields()[name] == ARCHIVE for name, _ in given)
        if PictureSource.ADDRESS in sources or is_archive:
            return self._services.fetchers
        return self._services.decoders if PictureSource.DATA in sources else None

    def _accept(self, requests: Sequence[Any]) -> Accepted:
        owned = [self._placed(request, index) for index, request in enumerate(requests)]
        with self._services.limits.admit(self._principal, owned) as admission:
            accepted = self._services.client.accept(owned)
            admission.settle(accepted)
        return accepted

    def _accept_again(self, job: Job, changes: Mapping[str, Any]) -> Accepted:
        # All of it, not the changes alone: a bare message may have named any file for its picture.
        owned = self._owned(repeated(job, changes))
        with self._services.limits.admit(self._principal, [owned]) as admission:
            accepted = self._services.client.accept_retry(job.id, **owned)
            admission.settle(accepted)
        return accepted

    def _placed(self, request: Any, index: int) -> dict[str, Any]:
        try:
            if not isinstance(request, Mapping):
                raise InvalidRequest(f"A request is an object with its kind, no {type(request).__name__}.")
            return self._owned(request)
        except BrushworkError as error:
            error.index = index
            raise

    def _owned(self, request: Mapping[str, Any]) -> dict[str, Any]:
        owned = {**request, "tenant": self._tenant(request.get("tenant"))}
        # Only of the main picture, null is no way to leave it out.
        given = [
            name for name in file_fields() if request.get(name) is not None or name == "image" in request
        ]
        return owned | {name: self._file(request[name], name) for name in given}

    def _file(self, given: Any, field: str) -> Any:
        if file_fields()[field] == ARCHIVE:
            return resolved_dataset(given, field, self._files, self._principal)
        if not isinstance(given, str):
            return resolved(given, field, self._files, self._principal)
        if given not in self._pictures:
            self._pictures[given] = resolved(given, field, self._files, self._principal)
        return self._pictures[given]

    def _tenant(self, asked: Any) -> Any:
        """Whom a job is for: a key's jobs are its tenant's.

        Raises:
            InvalidRequest: The caller asks for another.
        """
        mine = self._principal.tenant
        if mine is None:
            return "" if asked is None else asked
        if asked not in (None, mine):
            raise InvalidRequest(
                "tenant: this key is another tenant's.", field="tenant", hint="Leave it out."
            )
        return mine
