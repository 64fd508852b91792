"""A client for the service's own processes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Model

from brushwork.client import Client
from brushwork.transports.backend import Backend
from brushwork.transports.direct import Accepted, DirectTransport


class DirectClient(Client):
    """A `Client` that never goes by HTTP, whatever the settings say: the gateway would ask itself.

    Args:
        settings: Where ledger, queue and store are.
        backend: The objects to work with, if the caller has built them; the caller then closes them.
    """

    _transport: DirectTransport

    def __init__(self, settings: Settings, backend: Backend | None = None) -> None:
        self.settings = settings.model_copy(update={"url": None})
        self._transport = DirectTransport(self.settings, backend)

    def accept(self, requests: Iterable[Mapping[str, Any]]) -> Accepted:
        """As `submit_many`; says besides which of the jobs are new."""
        return self._transport.accept(list(requests))

    def accept_retry(self, job_id: str, /, **changes: Any) -> Accepted:
        """As `retry`; says besides whether the job is new."""
        return self._transport.accept_retry(job_id, changes)

    def models_of(self, tenant: str, kind: str | None = None) -> Sequence[Model]:
        """As `models`, with what the jobs of that tenant have trained."""
        return self._transport.models_of(tenant, kind)
