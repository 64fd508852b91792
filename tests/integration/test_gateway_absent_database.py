"""A database that is stopped and started again while somebody watches a job."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from brushwork.gateway.watching import job_events
from brushwork.gateway.watching import watcher as watching
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.settings.settings import Settings

from tests.jobs import new_job
from tests.live_gateways import Listening, events
from tests.servers import PostgresServer, postgres_programs, wait_until


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL server here")
    own = PostgresServer(programs)
    try:
        own.start()
        own.execute("CREATE DATABASE ledger")
        yield own
    finally:
        own.stop()


def test_streams_stay_open_and_go_on(
    server: PostgresServer,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for module in (watching, job_events):
        monkeypatch.setattr(module, "RETRY_EVERY_S", 0.05)
    database = Database(server.url("ledger"))
    database.migrate()
    Ledger(database).submit([new_job("a"), new_job("b")])
    settings = Settings(
        redis_url=redis_url, database_url=server.url("ledger"), artifacts_url=str(tmp_path / "artifacts")
    )  # type: ignore[arg-type]
    with Listening(settings) as gateway, events(gateway.address, "a") as stream:
        assert stream.until("snapshot")
        server.halt()
        wait_until(
            lambda: "Cannot read the status of watched jobs" in caplog.text, bound_s=30, what="the absence"
        )
        assert gateway.services.watch.num_watchers == 1
        server.start()
        Ledger(database).cancel("a")
        assert json.loads(stream.until("end")[-1]["data"])["state"] == "canceled"
        assert stream.next() is None
    database.close()
