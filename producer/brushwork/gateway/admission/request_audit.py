"""Records what an admin key does with jobs and files of other tenants, and which keys a limit refuses."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from brushwork_core.access.api_keys import ApiKey
from brushwork_core.audit.actor import ActorKind, current_actor
from brushwork_core.audit.audit_log import AuditAction, AuditLog, Record
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_schemas.errors import BudgetExceeded, FileNotFound, QueueFull, QuotaExceeded, RateLimited
from brushwork_schemas.job import Job

from brushwork.gateway.admission.access import Principal

# A program that follows a job reads it many times. It is recorded once in so many seconds.
REMEMBERED_S = 600.0
MOST_REMEMBERED = 50_000
# Each of these is recorded every time.
_CHANGES = (AuditAction.JOB_CANCELED, AuditAction.JOB_RETRIED)
# What an operator has decided for a key or for all of them, and a caller reaches.
_LIMITS = (BudgetExceeded, QueueFull, QuotaExceeded, RateLimited)
_Seen = tuple[str, str, str, str]


class RequestAudit:
    """Adds records to the audit log before the answer of a request is sent.

    Without any key, the gateway does not know whose a request is, and records nothing here. While the log
    cannot be written, requests are answered, and the log of the process has what is missing.

    Args:
        log: The audit log.
        files: Knows whose a file is.
        on_lost: Called with a number of records that could not be stored.
        clock: Returns seconds of a clock that never goes back.
    """

    def __init__(
        self,
        log: AuditLog,
        files: TenantFiles,
        on_lost: Callable[[int], None] = lambda number: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._files = files
        self._on_lost = on_lost
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[_Seen, float] = OrderedDict()

    def note(
        self, principal: Principal, jobs: Iterable[Job], action: AuditAction = AuditAction.JOB_READ
    ) -> None:
        """Record that the principal reads or changes jobs of other tenants.

        Args:
            principal: Who makes the request.
            jobs: The jobs.
            action: What is done with them.
        """
        if principal.key is None or not principal.is_operator:
            return
        by_tenant: dict[str | None, list[str]] = {}
        for job in jobs:
            if job.tenant != principal.key.tenant:
                by_tenant.setdefault(job.tenant, []).append(job.id)
        self._add(action, by_tenant)

    def note_file(self, principal: Principal, sha256: str) -> None:
        """Record that the principal reads a file that is not its own tenant's."""
        if principal.key is not None and principal.is_operator and not self._is_own(principal.key, sha256):
            self._add(AuditAction.FILE_READ, {None: [sha256]})

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Record that a limit refuses a request inside the `with` block: each limit once in ten minutes."""
        try:
            yield
        except _LIMITS as error:
            if (actor := current_actor()).kind is ActorKind.KEY and self._unseen(
                AuditAction.REQUEST_REFUSED, [error.code]
            ):
                self._store(Record(AuditAction.REQUEST_REFUSED, (actor.id,), outcome=error.code))
            raise

    def _is_own(self, key: ApiKey, sha256: str) -> bool:
        try:
            self._files.get(sha256, key.tenant)
        except FileNotFound:
            return False
        return True

    def _add(self, action: AuditAction, by_tenant: Mapping[str | None, list[str]]) -> None:
        fresh = {tenant: self._unseen(action, ids) for tenant, ids in by_tenant.items()}
        records = [Record(action, ids, tenant) for tenant, ids in fresh.items() if ids]
        if not self._store(*records):
            self._forget(action, [each for record in records for each in record.subjects])

    def _store(self, *records: Record) -> bool:
        is_stored = self._log.add(*records)
        if not is_stored:
            self._on_lost(len(records))
        return is_stored

    def _unseen(self, action: AuditAction, ids: list[str]) -> list[str]:
        """Those that the actor has not done this to from the same address lately; they are remembered."""
        if action in _CHANGES:
            return ids
        now, unseen = self._clock(), []
        with self._lock:
            for key, each in zip(self._keys(action, ids), ids, strict=True):
                if self._seen.get(key, float("-inf")) < now - REMEMBERED_S:
                    self._seen[key] = now
                    self._seen.move_to_end(key)
                    unseen.append(each)
            while len(self._seen) > MOST_REMEMBERED:
                self._seen.popitem(last=False)
        return unseen

    def _forget(self, action: AuditAction, ids: Iterable[str]) -> None:
        with self._lock:
            for key in self._keys(action, ids):
                self._seen.pop(key, None)

    @staticmethod
    def _keys(action: AuditAction, ids: Iterable[str]) -> list[_Seen]:
        actor = current_actor()
        return [(actor.name, actor.origin, action.value, each) for each in ids]
