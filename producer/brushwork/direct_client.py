"""A client for the service's own processes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Model

from brushwork.client import Client
from brushwork.inputs.intake import JobDraft
from brushwork.transports.backend import Backend
from brushwork.transports.direct import Accepted, DirectTransport


class DirectClient(Client):
    """A `Client` that never uses HTTP, even if the settings name a gateway. The gateway itself uses it.

    Args:
        settings: Addresses of Redis, the database and the artifact store.
        backend: Database, store and the objects that use them, if the caller has built them. The caller then
            closes them.
    """

    _transport: DirectTransport

    def __init__(self, settings: Settings, backend: Backend | None = None) -> None:
        self.settings = settings.model_copy(update={"url": None})
        self._connect(DirectTransport(self.settings, backend))

    def draft(self, requests: Iterable[Mapping[str, Any]]) -> Sequence[JobDraft]:
        """Validate requests; no file is read and nothing is stored.

        Args:
            requests: As for `submit_many`.

        Raises:
            RequestError: A request is wrong. If there are several, the message starts with its index.
        """
        return self._transport.draft(list(requests))

    def accept_drafts(self, drafts: Sequence[JobDraft], *, retry_of: str | None = None) -> Accepted:
        """Turn validated requests into jobs: store their files, write the jobs and publish their messages.

        Args:
            drafts: What `draft` returned.
            retry_of: Id of the job that they run again.

        Raises:
            InvalidImage, InvalidDataset, AddressRefused: A file can't be read or breaks a limit.
            IdempotencyConflict: An idempotency key was used for another request.
            ServiceUnreachable: The database or the artifact store does not answer.
        """
        return self._transport.accept(drafts, retry_of)

    def accept(self, requests: Iterable[Mapping[str, Any]]) -> Accepted:
        """Submit jobs as `submit_many` does, and return which of them are new."""
        return self.accept_drafts(self.draft(requests))

    def accept_retry(self, job_id: str, /, **changes: Any) -> Accepted:
        """Run a job again as `retry` does, and return whether the job is new."""
        return self._transport.accept_retry(job_id, changes)

    def delete_of(self, tenant: str | None, job_id: str) -> None:
        """Delete a job as `delete` does, if it belongs to `tenant`; None deletes jobs of all tenants."""
        self._transport.delete_of(tenant, job_id)

    def models_of(self, tenant: str, kind: str | None = None) -> Sequence[Model]:
        """Return the models as `models` does, with those that jobs of `tenant` have trained."""
        return self._transport.models_of(tenant, kind)
