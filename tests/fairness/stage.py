"""The processes of the measurement: Redis, gateway, sender of webhooks and a worker, each a real one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from brushwork import Client
from brushwork.embedded.child import LEASH
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger, NewJob
from brushwork_core.settings.settings import Settings

from tests.gateways import GatewayServer, bearer, key
from tests.receivers import SECRET
from tests.servers import RedisServer, wait_until
from tests.worker_process import environment

START_S = 120.0
TOP = Path(__file__).parents[2]
MODEL = "pocket-diffusion"
# In a deployment, the worker and the other tenant run on other machines. Here they yield to the gateway.
YIELD = ("nice", "-n", "5")
WEBHOOKS = {"BRUSHWORK_WEBHOOK_SECRET": SECRET, "BRUSHWORK_WEBHOOK_PRIVATE": "true"}


@dataclass(frozen=True)
class Tenant:
    """A tenant and its HTTP client.

    Args:
        name: Its name.
        key: Its API key.
        http: Sends its requests.
    """

    name: str
    key: str
    http: httpx.Client


class Stage:
    """The running system.

    Args:
        settings: Settings of all processes.
        gateway: The gateway.
        batches: File with a line for each batch of the worker.
    """

    def __init__(self, settings: Settings, gateway: GatewayServer, batches: Path) -> None:
        self.settings = settings
        self.gateway = gateway
        self.batches = batches

    @contextmanager
    def tenant(self, name: str) -> Iterator[Tenant]:
        """A new tenant."""
        made = key(self.settings, name)
        with httpx.Client(base_url=self.gateway.address, headers=bearer(made), timeout=120) as http:
            yield Tenant(name, made, http)

    def fill(self, like: str, number: int) -> None:
        """Write so many queued jobs into the ledger, each like a job that is there."""
        database = Database(self.settings.database_url.get_secret_value())
        with Client(settings=self.settings) as client:
            job = client.get(like)
        request = job.request.model_dump(mode="json")
        first = NewJob("", job.kind, job.request.model, job.label, request, tenant=job.tenant)
        try:
            for start in range(0, number, 1000):
                jobs = [
                    replace(first, id=f"many-{start + each}") for each in range(min(1000, number - start))
                ]
                Ledger(database).submit(jobs)
        finally:
            database.close()


def settings_in(folder: Path, redis_url: str) -> Settings:
    """Settings of all processes, with everything in a folder."""
    return Settings(
        redis_url=redis_url,  # type: ignore[arg-type]
        database_url=f"sqlite:///{folder}/ledger.sqlite3",  # type: ignore[arg-type]
        artifacts_url=str(folder / "artifacts"),
        models=MODEL,
        device="cpu",
    )


@contextmanager
def stage(folder: Path, *, concurrency: int) -> Iterator[Stage]:
    """Start all processes; they end at the end of the block."""
    with ExitStack() as ending:
        redis = RedisServer(folder)
        settings = settings_in(folder, redis.start().url)
        ending.callback(redis.stop)
        database = Database(settings.database_url.get_secret_value())
        database.migrate()
        database.close()
        gateway = GatewayServer(settings, folder / "gateway.log", **WEBHOOKS)
        gateway.start()
        ending.callback(gateway.stop)
        batches = folder / "batches.jsonl"
        argv = ("worker", "--kinds=text-to-image", f"--concurrency={concurrency}", "--name=fair@here")
        program = ("-m", "tests.fairness.watched_worker", str(batches), *argv)
        # Threads of torch wait for each other, so on a busy machine two take longer than one.
        own = {**environment(settings), "OMP_NUM_THREADS": "1"}
        ending.enter_context(_running(program, own, folder / "worker.log", before=YIELD))
        sender = ("-m", "brushwork", "webhooks", "send")
        ending.enter_context(_running(sender, environment(settings) | WEBHOOKS, folder / "sender.log"))
        with Client(settings=settings) as client:
            wait_until(
                lambda: any(worker.ready for worker in client.workers()),
                bound_s=START_S,
                what="the start of the worker",
                look_s=0.1,
            )
        yield Stage(settings, gateway, batches)


@contextmanager
def _running(
    arguments: Sequence[str], given: dict[str, str], log: Path, before: Sequence[str] = ()
) -> Iterator[None]:
    # Nothing is left behind if this process is killed.
    leash = (sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(signal.SIGKILL)))
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*leash, *before, sys.executable, *arguments],
            env={**os.environ, **given},
            cwd=TOP,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()
