"""Submit the requests of a principal: set the tenant, resolve files, validate, check limits, write jobs."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from anyio import fail_after, to_thread
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.file_places import NO_FILE_YET, values_at, with_values
from brushwork_schemas.kinds.kind import ARCHIVE
from brushwork_schemas.kinds.registry import all_kinds, file_fields, file_patterns, media_type_at
from brushwork_schemas.wording.phrase import said

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.admission.fair_threads import FairThreads
from brushwork.gateway.bodies.picture_source import PictureSource, resolved, resolved_dataset
from brushwork.gateway.services import Services
from brushwork.inputs.batch_errors import numbered
from brushwork.inputs.intake import JobDraft, repeated
from brushwork.inputs.time_limit import too_long, written_within
from brushwork.transports.direct import Accepted

# The database answers a write within so many seconds, or fails.
_WRITE_S = 20.0


def write_within_s(answer_within_s: float) -> float:
    """Return in how many seconds a request must begin to write its jobs, so that it is answered in time."""
    return max(answer_within_s / 2, answer_within_s - _WRITE_S)


class Submission:
    """The requests of one call.

    Args:
        services: Services of the gateway.
        principal: Who submits them.
    """

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal
        self._files = services.tenant_files
        # Decoded pictures by what names them: a batch that repeats a picture holds it once.
        self._pictures: dict[str, Any] = {}

    async def accept(self, requests: Sequence[Any]) -> Accepted:
        """Submit all requests, or none.

        Args:
            requests: Mappings, each with its `kind`, its parameters and its options.

        Raises:
            RequestError: A request is wrong; `index` says which.
            Postponed: A limit is reached.
        """
        return await self._in_time(partial(self._drafts_of, requests), requests)

    async def accept_again(self, job: Job, changes: Mapping[str, Any]) -> Accepted:
        """Run a job again.

        Args:
            job: A job that the principal may see.
            changes: Parameters and options that replace those of the job.

        Raises:
            JobNotEnded: The job has not ended yet.
            RequestError: The changed request is wrong.
            Postponed: A limit is reached.
        """
        return await self._in_time(partial(self._draft_again, job, changes), [changes], retry_of=job.id)

    async def _in_time(
        self,
        draft: Callable[[], Sequence[JobDraft]],
        requests: Sequence[Any],
        retry_of: str | None = None,
    ) -> Accepted:
        """Validate and write in threads; write nothing if the time is over before.

        Raises:
            ServiceUnreachable: Nothing was written.
        """
        seconds = write_within_s(self._services.settings.answer_within_s)
        with written_within(seconds):
            try:
                with fail_after(seconds):
                    # Given up only while it waits for its turn. Once it runs, it looks at the time itself.
                    threads = self._threads(requests)
                    if threads is not None:
                        # No other tenant waits for a thread that waits for a decoder or an address.
                        return await threads.run(self._principal.tenant, self._accept, draft, retry_of)
                    drafts = await to_thread.run_sync(draft)
                    return await self._services.write(self._principal, self._accept_drafts, drafts, retry_of)
            except TimeoutError:
                raise too_long() from None

    def _threads(self, requests: Sequence[Any]) -> FairThreads | None:
        """Return which threads do the work: pictures need memory, addresses and archives take long."""
        given = [
            found
            for request in requests
            if isinstance(request, Mapping)
            for found in values_at(request, file_patterns()).items()
        ]
        sources = {PictureSource.of(each) for _, each in given}
        is_archive = any(media_type_at(place) == ARCHIVE for place, _ in given)
        if PictureSource.ADDRESS in sources or is_archive:
            return self._services.fetchers
        return self._services.decoders if PictureSource.DATA in sources else None

    def _drafts_of(self, requests: Sequence[Any]) -> Sequence[JobDraft]:
        wrong = Refusals()
        count = len(requests)
        resolved = [self._resolved_at(each, index, count, wrong) for index, each in enumerate(requests)]
        return self._draft(resolved, wrong)

    def _draft(self, requests: Sequence[Mapping[str, Any]], wrong: Refusals) -> Sequence[JobDraft]:
        """Validate requests, and report what is wrong with the files together with the other fields.

        Args:
            requests: The requests. Files that are wrong have a placeholder.
            wrong: What is wrong with the files.
        """
        drafts: Sequence[JobDraft] = ()
        with wrong.noted():
            drafts = self._services.client.draft(requests)
        wrong.raise_any()
        return drafts

    def _draft_again(self, job: Job, changes: Mapping[str, Any]) -> Sequence[JobDraft]:
        # The files of the job are resolved too: a bare Celery message may have named a file of any tenant.
        wrong = Refusals()
        request = self._resolved(repeated(job, changes), wrong)
        return self._draft([request], wrong)

    def _accept(self, draft: Callable[[], Sequence[JobDraft]], retry_of: str | None) -> Accepted:
        return self._accept_drafts(draft(), retry_of)

    def _accept_drafts(self, drafts: Sequence[JobDraft], retry_of: str | None = None) -> Accepted:
        with self._services.limits.admit(self._principal, drafts) as charged:
            accepted = self._services.client.accept_drafts(drafts, retry_of=retry_of)
            charged.settle(accepted)
        return accepted

    def _resolved_at(self, request: Any, index: int, count: int, wrong: Refusals) -> dict[str, Any]:
        if not isinstance(request, Mapping):
            name = type(request).__name__
            error = InvalidRequest(
                said("A request must be an object with a `kind`, not a {type}.", type=name)
            )
            error.index = index
            raise error
        return self._resolved(request, wrong, index, count)

    def _resolved(
        self, request: Mapping[str, Any], wrong: Refusals, index: int = 0, count: int = 1
    ) -> dict[str, Any]:
        """Return the request with its tenant, and with files as a direct client takes them."""
        owned = dict(request)
        with wrong.noted(), numbered(index, count):
            owned["tenant"] = self._tenant(request.get("tenant"))
        required = _required_pictures(request.get("kind"))
        given = {name: request[name] for name in file_fields() if name in required and name in request}
        for place, file in {**given, **values_at(request, file_patterns())}.items():
            owned = with_values(owned, {place: NO_FILE_YET})
            with wrong.noted(), numbered(index, count):
                owned = with_values(owned, {place: self._file(file, place)})
        return owned

    def _file(self, given: Any, field: str) -> Any:
        if media_type_at(field) == ARCHIVE:
            return resolved_dataset(given, field, self._files, self._principal)
        if not isinstance(given, str):
            return resolved(given, field, self._files, self._principal)
        if given not in self._pictures:
            self._pictures[given] = resolved(given, field, self._files, self._principal)
        return self._pictures[given]

    def _tenant(self, given: Any) -> Any:
        """Return the tenant of a job: that of the key, or any for an admin key.

        Raises:
            InvalidRequest: The request names another tenant than that of the key.
        """
        own = self._principal.tenant
        if own is None:
            return "" if given is None else given
        if given not in (None, own):
            raise InvalidRequest(
                "tenant: the API key belongs to another tenant.", field="tenant", hint="Leave it out."
            )
        return own


def _required_pictures(kind_name: Any) -> Sequence[str]:
    """Return the picture fields that requests of a kind must have. There, null is an invalid picture."""
    kind = all_kinds().get(kind_name) if isinstance(kind_name, str) else None
    fields = kind.request_type.model_fields if kind else {}
    return [name for name in kind.pictures if fields[name].is_required()] if kind else []
