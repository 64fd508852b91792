"""One key, one job: in the ledger, whoever races for it, and through the client, with Redis down."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from brushwork import Client, Settings
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from brushwork_core.ledger import Ledger, NewJob
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.errors import IdempotencyConflict

from tests.clients import png
from tests.jobs import KIND, count, new_job
from tests.servers import free_port


def keyed(job_id: str, key: str = "key", digest: str = "1" * 64, **options: object) -> NewJob:
    return new_job(job_id, idempotency_key=key, request_sha256=digest, **options)


@pytest.fixture
def client(database_url: str, tmp_path: Path) -> Iterator[Client]:
    settings = Settings(
        redis_url=f"redis://127.0.0.1:{free_port()}/0",  # type: ignore[arg-type]
        database_url=database_url,  # type: ignore[arg-type]
        artifacts_url=str(tmp_path / "artifacts"),
    )
    with Client(settings=settings) as opened:
        yield opened


class TestLedger:
    def test_fifty_at_once_are_one_job(self, ledger: Ledger, database: Database) -> None:
        start = threading.Barrier(50)

        def submit(number: int) -> frozenset[str]:
            start.wait(timeout=10)
            return ledger.submit([keyed(f"job-{number}")]).new

        with ThreadPoolExecutor(50) as threads:
            won = [job_id for new in threads.map(submit, range(50)) for job_id in new]
        assert len(won) == count(database, JOBS) == 1

    def test_another_request_under_the_key_is_refused_whole(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([keyed("a")])
        with pytest.raises(IdempotencyConflict, match="'key'") as refused:
            ledger.submit([new_job("b"), keyed("c", digest="2" * 64)])
        assert refused.value.field == "idempotency_key"
        assert count(database, JOBS) == 1

    def test_each_tenant_has_its_own_keys(self, ledger: Ledger) -> None:
        jobs = [keyed(tenant, tenant=tenant, digest=tenant * 64) for tenant in "ab"]
        assert ledger.submit(jobs).new == {"a", "b"}

    def test_jobs_without_a_key_are_all_different(self, ledger: Ledger) -> None:
        assert ledger.submit([new_job("a"), new_job("b")]).new == {"a", "b"}

    def test_two_that_share_keys_in_opposite_order_do_not_deadlock(
        self, ledger: Ledger, database: Database
    ) -> None:
        start = threading.Barrier(4)

        def submit(number: int) -> None:
            for attempt in range(5):
                jobs = [keyed(f"{number}-{attempt}-{key}", key=f"{attempt}-{key:02}") for key in range(30)]
                start.wait(timeout=10)
                ledger.submit(jobs if number % 2 else jobs[::-1])

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(submit, range(4)))
        assert count(database, JOBS) == 150

    def test_a_key_finds_its_job(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([keyed("a"), keyed("b", key="other"), keyed("c", tenant="t")])
        assert index.ids_of_keys("", ["key", "nothing"]) == {"key": "a"}
        assert index.get("a").idempotency_key == "key"


class TestClient:
    def test_the_same_request_again_is_the_same_job(self, client: Client) -> None:
        first = client.submit(KIND, prompt="x", idempotency_key="key")
        assert client.submit(KIND, prompt="x", idempotency_key="key") == first
        assert first.idempotency_key == "key"
        assert len(client.list()) == 1

    def test_other_options_do_not_make_it_another_request(self, client: Client) -> None:
        first = client.submit(KIND, prompt="x", idempotency_key="key")
        assert client.submit(KIND, prompt="x", idempotency_key="key", priority="high").id == first.id

    @pytest.mark.parametrize("change", [{"prompt": "y"}, {"prompt": "x", "seed": 1}], ids=str)
    def test_another_request_is_refused(self, client: Client, change: dict[str, object]) -> None:
        client.submit(KIND, prompt="x", idempotency_key="key")
        with pytest.raises(IdempotencyConflict):
            client.submit(KIND, idempotency_key="key", **change)
        assert len(client.list()) == 1

    def test_a_picture_counts_by_its_content(self, client: Client, tmp_path: Path) -> None:
        (tmp_path / "red.png").write_bytes(png("red"))
        first = client.submit("image-to-text", image=png("red"), idempotency_key="key")
        again = client.submit("image-to-text", image=tmp_path / "red.png", idempotency_key="key")
        assert again.id == first.id
        with pytest.raises(IdempotencyConflict):
            client.submit("image-to-text", image=png("blue"), idempotency_key="key")

    def test_of_many_each_has_its_place(self, client: Client) -> None:
        first = client.submit(KIND, prompt="x", idempotency_key="key")
        other = client.submit(KIND, prompt="x", idempotency_key="key", tenant="t")
        said = {"kind": KIND, "prompt": "x"}
        jobs = client.submit_many(
            [
                said,
                {**said, "idempotency_key": "key", "tenant": "t"},
                {**said, "idempotency_key": "key"},
                {**said, "idempotency_key": "key"},
            ]
        )
        assert [job.id for job in jobs[1:]] == [other.id, first.id, first.id]
        assert len(client.list()) == 3
