"""F25: the store, Redis and the database refuse all connections for a while, each in turn."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from brushwork_core.files.artifact_store import ArtifactStore

from tests.chaos.links import Way
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
        # A silent store is given up after seconds; the suite's limit for a hung job is shorter.
        with scene.stack(
            redis=redis, database_url=url, worker_settings=far, artifacts_url=bucket.url, stall_s=60
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


def are_held(stack: Stack, number: int) -> None:
    """Wait until so many jobs are finished and wait for the store."""
    text = "its files wait for the artifact store"
    wait_until(lambda: stack.logs().count(text) >= number, bound_s=40, what="jobs that wait for the store")


def uncharged(stack: Stack, ids: list[str]) -> None:
    """All have succeeded, in what counts as their first attempt."""
    assert [stack.job(one).attempt for one in ids] == [1] * len(ids), stack.logs()[-6000:]


@pytest.mark.fault("F25", "a store that is silent", on=("postgresql",), thorough=True)
def test_a_store_that_is_silent(
    scene: Scene, tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with far_services(scene, tmp_path, s3_server, monkeypatch) as (proxies, stack):
        ids = stack.submit(JOBS)
        wait_until(
            lambda: any(stack.journal.num_begun(one) for one in ids), bound_s=20, what="a job that runs"
        )
        proxies["store"].silence(Way.UP, Way.DOWN)
        are_held(stack, 1)
        proxies["store"].heal()
        proxies["store"].reset()
        stack.settle()
        uncharged(stack, ids)
        assert [stack.journal.num_begun(one) for one in ids] == [1] * len(ids)
        all_take_work(stack)


@pytest.mark.fault(
    "F25", "workers killed while they hold finished pictures", on=("postgresql",), thorough=True
)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_that_end_while_they_hold_pictures(
    scene: Scene, tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Their jobs run again, and no attempt is charged, also where one job was alone."""
    with far_services(scene, tmp_path, s3_server, monkeypatch) as (proxies, stack):
        proxies["store"].refuse()
        ids = stack.submit(["steps=2"])
        are_held(stack, 1)
        wait_until(lambda: stack.job(ids[0]).last_error is not None, bound_s=10, what="the reason")
        worker = stack.worker_of(ids[0])
        if number is signal.SIGKILL:
            stack.kill(worker)
        else:
            stack.terminate(worker)
        worker.wait_ended(20)
        proxies["store"].admit()
        stack.settle()
        uncharged(stack, ids)
        all_take_work(stack)


@pytest.mark.fault("F25", "a bucket that is removed and made again", on=("postgresql",), thorough=True)
def test_a_bucket_that_is_missing_for_a_while(
    scene: Scene, tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with far_services(scene, tmp_path, s3_server, monkeypatch) as (_, stack):
        name = urlsplit(stack.settings.artifacts_url).netloc
        assert httpx.delete(f"{s3_server.endpoint}/{name}", timeout=10).is_success
        ids = stack.submit(["steps=2"] * 6)
        are_held(stack, 1)
        wait_until(lambda: any(stack.job(one).last_error for one in ids), bound_s=10, what="the reason")
        reasons = {error.code for one in ids if (error := stack.job(one).last_error)}
        assert reasons == {"bucket_missing"}
        s3_server.bucket(name)
        stack.settle()
        uncharged(stack, ids)
        all_take_work(stack)
