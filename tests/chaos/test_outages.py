"""F25: the store, Redis and the database refuse all connections for a while, each in turn."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from brushwork_core.files.artifact_store import ArtifactStore

from tests.chaos.liveness import all_take_work
from tests.chaos.moments import pause
from tests.chaos.proxy import Proxy, by_port, port_of, socket_of
from tests.chaos.scene import Scene
from tests.chaos.stack import Stack
from tests.s3_server import Bucket, S3Server
from tests.servers import RedisServer, wait_until

SERVICES = ("store", "Redis", "database")
# Longer than a lease of the suite.
QUICK_S = 2.5
LONG_S = (5.0, 30.0, 120.0)
# So long that some end while the service is away, and some begin before it is.
JOBS = ["steps=10 pause=0.05"] * 12


@contextmanager
def far_services(
    scene: Scene, folder: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[dict[str, Proxy], Stack]]:
    """A stack whose workers reach each service through a proxy; the store is S3."""
    redis, url = RedisServer(folder), scene.database_url()
    with (
        Proxy(("127.0.0.1", s3.port)) as store,
        Proxy(("127.0.0.1", redis.port)) as queue,
        Proxy(socket_of(url)) as ledger,
    ):
        bucket = s3.bucket(endpoint=f"http://127.0.0.1:{store.port}")
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        far = {"redis_url": port_of(redis.url, queue.port), "database_url": by_port(url, ledger.port)}
        with scene.stack(
            redis=redis, database_url=url, worker_settings=far, artifacts_url=bucket.url
        ) as stack:
            yield {"store": store, "Redis": queue, "database": ledger}, stack
            stack.settle()
            mirror(bucket, stack.artifacts)


def mirror(bucket: Bucket, folder: Path) -> None:
    """Copy the files of a bucket to where the invariants look for them."""
    store = ArtifactStore(bucket.url)
    for name in bucket.names():
        file = folder / Path(*Path(name).parts[-2:])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(store.get(file.name))


def refuse(proxy: Proxy, stack: Stack, seconds: float) -> None:
    """In mid-run. No attempt is charged for it, and no finished picture is made again."""
    ids = stack.submit(JOBS)
    wait_until(lambda: any(stack.journal.num_begun(one) for one in ids), bound_s=20, what="a job that runs")
    proxy.refuse()
    pause(seconds)
    proxy.admit()
    stack.settle()
    ran = [(stack.job(one).attempt, stack.journal.num_begun(one)) for one in ids]
    assert ran == [(1, 1)] * len(ids), stack.logs()[-6000:]


@pytest.mark.fault("F25", "store, Redis and database refuse connections, each in turn", on=("postgresql",))
def test_services_that_are_away(
    scene: Scene, tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with far_services(scene, tmp_path, s3_server, monkeypatch) as (proxies, stack):
        for service in SERVICES:
            refuse(proxies[service], stack, QUICK_S)
        all_take_work(stack)


@pytest.mark.fault("F25", "the same for 5, 30 and 120 s", on=("postgresql",), thorough=True)
@pytest.mark.parametrize("seconds", LONG_S)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_is_away_for_long(
    scene: Scene,
    tmp_path: Path,
    s3_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    service: str,
    seconds: float,
) -> None:
    with far_services(scene, tmp_path, s3_server, monkeypatch) as (proxies, stack):
        refuse(proxies[service], stack, seconds)
        all_take_work(stack)
