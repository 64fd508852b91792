"""The gateway records what an admin key does with jobs of other tenants, and which keys a limit refuses."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from brushwork.gateway.admission.access import Principal
from brushwork.gateway.admission.request_audit import REMEMBERED_S, RequestAudit
from brushwork_core.access.api_keys import ApiKeys, Scope, id_of
from brushwork_core.access.key_usage import KeyUsage, Usage
from brushwork_core.audit.actor import Actor, acting_as
from brushwork_core.audit.audit_log import AuditAction, AuditFilter, AuditLog
from brushwork_core.database.database import Database
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from starlette.testclient import TestClient
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tests.gateways import HERE, bearer, gateway, key
from tests.jobs import new_job

pytestmark = pytest.mark.one_database("the records are written by the same statements")
OURS, THEIRS, OPEN = "a" * 8, "b" * 8, "c" * 8


@dataclass(frozen=True)
class Recorded:
    """A gateway with three tenants' jobs, and what it has recorded since.

    Args:
        http: A client of the gateway.
        admin: Headers of an admin key of the tenant `ours`.
        log: The audit log.
    """

    http: TestClient
    admin: dict[str, str]
    log: AuditLog

    def told(self) -> list[tuple[str, str | None, tuple[str, ...]]]:
        actor = AuditFilter(actor=f"key:{id_of(self.admin['Authorization'].removeprefix('Bearer '))}")
        return [(event.action, event.tenant, event.subjects) for event in self.log.events(actor)]


@pytest.fixture
def recorded(settings: Settings, database: Database) -> Iterator[Recorded]:
    ledger = Ledger(database)
    ledger.submit(
        [new_job(OURS, tenant="ours"), new_job(THEIRS, tenant="theirs"), new_job(OPEN, tenant="theirs")]
    )
    ledger.cancel(THEIRS)
    admin = bearer(key(settings, "ours", [Scope.ADMIN]))
    with gateway(settings) as http:
        yield Recorded(http, admin, AuditLog(database))


@pytest.mark.parametrize("path", ["/v1/jobs/{}", "/v1/jobs/{}/preview", "/jobs/{}"])
def test_an_admin_key_that_reads_a_job_of_another_tenant_is_recorded(recorded: Recorded, path: str) -> None:
    for job_id in (OURS, THEIRS, THEIRS):
        assert recorded.http.get(path.format(job_id), headers=recorded.admin).is_success
    reads = [entry for entry in recorded.told() if THEIRS in entry[2]]
    assert reads == [("job.read", "theirs", (THEIRS,))]
    assert all(OURS not in subjects for _, _, subjects in recorded.told())


@pytest.mark.parametrize("path", ["/v1/jobs", "/gallery", "/"])
def test_a_list_is_recorded_with_the_jobs_that_it_shows(recorded: Recorded, path: str) -> None:
    assert recorded.http.get(path, headers=recorded.admin).is_success
    [(action, tenant, subjects)] = recorded.told()
    assert (action, tenant, set(subjects)) == ("job.read", "theirs", {THEIRS, OPEN})


def test_a_stream_is_recorded(recorded: Recorded) -> None:
    assert recorded.http.get(f"/v1/jobs/{THEIRS}/events", headers=recorded.admin).is_success
    assert recorded.told() == [("job.read", "theirs", (THEIRS,))]


def test_what_an_admin_key_changes_is_recorded(recorded: Recorded) -> None:
    http = recorded.http
    assert http.post(f"/v1/jobs/{OPEN}/cancel", headers=recorded.admin).is_success
    assert http.post(f"/v1/jobs/{THEIRS}/retry", headers=recorded.admin).status_code == 201
    assert http.post(f"/v1/jobs/{OURS}/cancel", headers=recorded.admin).is_success
    assert http.delete(f"/v1/jobs/{THEIRS}", headers=recorded.admin).status_code == 204
    assert http.post(f"/v1/jobs/{THEIRS}/cancel", headers=recorded.admin).status_code == 404
    assert recorded.told() == [
        ("job.canceled", "theirs", (OPEN,)),
        ("job.retried", "theirs", (THEIRS,)),
        ("job.deleted", "theirs", (THEIRS,)),
    ]


def test_a_file_of_another_tenant_is_recorded(recorded: Recorded, settings: Settings) -> None:
    owner = bearer(key(settings, "theirs"))
    png = (Path(__file__).parents[2] / "docs/pictures/demo.png").read_bytes()
    upload = {"headers": {**owner, "Content-Type": "image/png"}, "content": png}
    sha256 = recorded.http.post("/v1/files", **upload).json()["sha256"]  # type: ignore[arg-type]
    for _ in range(2):
        assert recorded.http.get(f"/v1/files/{sha256}", headers=recorded.admin).is_success
        assert recorded.http.get(f"/v1/files/{sha256}", headers=owner).is_success
    assert recorded.told() == [("file.read", None, (sha256,))]


def test_a_tenant_that_uses_its_own_is_recorded_for_deletions_alone(
    recorded: Recorded, settings: Settings
) -> None:
    theirs = key(settings, "theirs")
    http, headers = recorded.http, bearer(theirs)
    for path in (f"/v1/jobs/{THEIRS}", "/v1/jobs", f"/jobs/{THEIRS}"):
        assert http.get(path, headers=headers).is_success
    assert http.get(f"/v1/jobs/{OURS}", headers=headers).status_code == 404
    assert http.post(f"/v1/jobs/{OPEN}/cancel", headers=headers).is_success
    assert http.delete(f"/v1/jobs/{OPEN}", headers=headers).status_code == 204
    found = [
        (event.action, event.actor, event.origin, event.subjects)
        for event in recorded.log.events(AuditFilter(action="job"))
    ]
    assert found == [("job.deleted", f"key:{id_of(theirs)}", "testclient", (OPEN,))]


def test_without_keys_a_deletion_is_anyones(settings: Settings, database: Database) -> None:
    Ledger(database).submit([new_job(OURS, tenant="ours")])
    with gateway(settings) as http:
        assert http.get(f"/v1/jobs/{OURS}").is_success
        assert http.post(f"/v1/jobs/{OURS}/cancel").is_success
        assert http.delete(f"/v1/jobs/{OURS}").status_code == 204
    found = [(event.action, event.actor) for event in AuditLog(database).events()]
    assert found == [("job.deleted", "anyone")]


def test_behind_a_trusted_proxy_the_address_is_the_clients(
    recorded: Recorded, settings: Settings, database: Database
) -> None:
    behind = ProxyHeadersMiddleware(recorded.http.app, trusted_hosts="10.0.0.1")  # type: ignore[arg-type]
    for proxy in ("10.0.0.1", "10.9.9.9"):
        # The application has started already.
        client = TestClient(behind, base_url=HERE, client=(proxy, 4000))  # type: ignore[arg-type]
        job_id = THEIRS if proxy == "10.0.0.1" else OPEN
        assert client.get(
            f"/v1/jobs/{job_id}", headers={**recorded.admin, "X-Forwarded-For": "203.0.113.9"}
        ).is_success
    origins = [event.origin for event in recorded.log.events(AuditFilter(action="job.read"))]
    assert origins == ["203.0.113.9", "10.9.9.9"]


def test_a_limit_that_refuses_a_key_is_recorded_once(settings: Settings, database: Database) -> None:
    keys = ApiKeys(database)
    slow = keys.create("slow", tenant="t", requests_per_minute=1)
    poor = keys.create("poor", tenant="t", daily_budget=1000)
    KeyUsage(database).charge(id_of(poor), Usage(1, 1000))
    full = keys.create("full", tenant="f", max_open_jobs=1)
    job = {"kind": "text-to-image", "prompt": "a red circle"}
    with gateway(settings) as http:
        for _ in range(3):
            http.get("/v1/jobs", headers=bearer(slow))
            http.post("/v1/jobs", headers=bearer(full), json=job)
            http.post("/v1/jobs", headers=bearer(poor), json=job)
    found = {event.actor: event for event in AuditLog(database).events(AuditFilter(action="request"))}
    assert {name: event.outcome for name, event in found.items()} == {
        f"key:{id_of(slow)}": "rate_limited",
        f"key:{id_of(full)}": "queue_full",
        f"key:{id_of(poor)}": "budget_exceeded",
    }
    assert len(list(AuditLog(database).events(AuditFilter(action="request")))) == 3


def test_a_read_is_recorded_again_after_ten_minutes_or_from_elsewhere(database: Database) -> None:
    Ledger(database).submit([new_job(THEIRS, tenant="theirs")])
    admin = Principal(ApiKeys(database).verify(ApiKeys(database).create("a", scopes=[Scope.ADMIN])))
    clock, job = [0.0], JobIndex(database).get(THEIRS)
    audit = RequestAudit(AuditLog(database), TenantFiles(database), clock=lambda: clock[0])

    def num_records_after(second: float, origin: str = "192.0.2.1") -> int:
        clock[0] = second
        with acting_as(Actor("key:x", origin)):
            audit.note(admin, [job])
        return len(list(AuditLog(database).events(AuditFilter(action=AuditAction.JOB_READ.value))))

    assert [num_records_after(second) for second in (0, 1, REMEMBERED_S, REMEMBERED_S + 1)] == [1, 1, 1, 2]
    assert num_records_after(REMEMBERED_S + 2, "192.0.2.2") == 3


def test_a_read_that_cannot_be_recorded_is_counted_and_tried_again(sqlite_url: str) -> None:
    database, locking = Database(sqlite_url), Database(sqlite_url)
    Ledger(database).submit([new_job(THEIRS, tenant="theirs")])
    admin = Principal(ApiKeys(database).verify(ApiKeys(database).create("a", scopes=[Scope.ADMIN])))
    lost: list[int] = []
    audit, job = (
        RequestAudit(AuditLog(database), TenantFiles(database), lost.append),
        JobIndex(database).get(THEIRS),
    )
    note: Callable[[], None] = lambda: audit.note(admin, [job])  # noqa: E731
    with locking.writing():
        note()
    assert lost == [1]
    note()
    assert len(list(AuditLog(database).events(AuditFilter(action="job.read")))) == 1
    database.close()
    locking.close()
