"""The embedded stack: the order in which its parts start, when it is ready, and how it stops."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from brushwork_core.database.database import Database
from brushwork_core.fleet.takeover import take_over_from_dead
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError, InvalidRequest
from brushwork_schemas.wording.phrase import said

from brushwork.embedded import development_certificate, flower, gateway, redis_server, webhook_sender
from brushwork.embedded.child import Part
from brushwork.embedded.data_folder import DataFolder, is_free
from brushwork.embedded.supervisor import Supervisor

# A worker needs this time to close connections, after the grace time of its jobs.
CLOSING_S = 10.0
MAX_DEATHS_AT_START = 3


@dataclass(frozen=True)
class StackOptions:
    """Options of a stack.

    Args:
        data: Path of the data folder.
        kinds: Kinds of jobs that its workers serve.
        workers: Number of workers. They share cores and GPUs.
        concurrency: Number of jobs that each worker runs at the same time.
        flower: Whether to run Flower.
        flower_port: Port of Flower; None for a free one.
        gateway: Whether to run the HTTP gateway.
        gateway_port: Port of the gateway; None for 8600, or a free one if it is in use; 0 for a free one.
        reason: Why there are so many workers, for the log.
    """

    data: Path
    kinds: tuple[str, ...]
    workers: int = 1
    concurrency: int = 16
    flower: bool = True
    flower_port: int | None = None
    gateway: bool = True
    gateway_port: int | None = None
    reason: str = "as asked"


class Stack:
    """Redis, a migrated database, workers, the webhook sender, Flower and the HTTP gateway.

    Args:
        options: The options.
        say: Called with the name of a part and a line of its output, from any thread.
    """

    def __init__(self, options: StackOptions, say: Callable[[str, str], None]) -> None:
        self._options = options
        self._say = say
        self._folder = DataFolder(options.data)
        self._supervisor: Supervisor | None = None
        self._stop_wanted = False
        self._stopped = Event()

    def request_stop(self) -> None:
        """Make `run` stop all parts and return. A second call shortens the grace times. Signal-safe."""
        self._stop_wanted = True
        if self._supervisor is not None:
            self._supervisor.request_stop()

    def run(self, on_ready: Callable[[dict[str, str]], None]) -> None:
        """Start everything and keep it running until `request_stop`.

        Args:
            on_ready: Called once with the addresses that `brushwork.env` then holds.

        Raises:
            DataFolderInUse: Another stack uses the data folder.
            InvalidRequest: Another program uses a requested port.
            MissingExtra: Redis or the worker is not installed.
            PartFailed: A part cannot be started.
        """
        self._folder.create()
        with self._folder.locked() as lock:
            self._supervisor = Supervisor(self._say, kept_fds=[lock], on_death=self._recover_jobs)
            try:
                if self._stop_wanted:
                    return
                self._check_ports()
                self._folder.retract()
                self._run(self._supervisor, on_ready)
            finally:
                self._stopped.set()
                self._folder.retract()
                self._supervisor.stop()

    def _check_ports(self) -> None:
        """Check that requested ports are free. A foreign server there would be mistaken for a part."""
        asked = {
            "port": self._options.gateway and self._options.gateway_port,
            "flower-port": self._options.flower and self._options.flower_port,
        }
        for name, port in asked.items():
            if port and not is_free(port, taken=[]):
                raise InvalidRequest(
                    said("{field}: another program uses port {port} of 127.0.0.1.", field=name, port=port),
                    field=name,
                    hint=said("Choose another port, or leave --{field} out to use a free one.", field=name),
                )

    def _run(self, supervisor: Supervisor, on_ready: Callable[[dict[str, str]], None]) -> None:
        chosen = redis_server.choice(self._folder)
        for notice in redis_server.notices(chosen):
            self._say("redis", notice)
        redis, redis_url = redis_server.redis_server(self._folder, chosen)
        addresses = self._addresses(redis_url)
        supervisor.start(redis)
        if not supervisor.run(lambda: redis_server.answers(redis_url), max_deaths=MAX_DEATHS_AT_START):
            return
        if not self._run_workers(supervisor, addresses):
            return
        # After the workers, which do not need the secret.
        addresses["BRUSHWORK_WEBHOOK_SECRET"] = webhook_sender.secret(self._folder)
        supervisor.start(webhook_sender.webhook_sender(self._folder, addresses))
        if not (self._run_flower(supervisor, addresses) and self._run_gateway(supervisor, addresses)):
            return
        self._folder.announce(addresses)
        on_ready(addresses)
        supervisor.run()

    def _run_workers(self, supervisor: Supervisor, addresses: dict[str, str]) -> bool:
        database = Database(addresses["BRUSHWORK_DATABASE_URL"], "up")
        try:
            database.migrate()
            worker_registry = WorkerRegistry(database)
            # The folder is locked, so workers that are still registered belong to an earlier, killed stack.
            Ledger(database).reap([worker.name for worker in worker_registry.workers()])
            worker_registry.forget(0)
            options = self._options
            shape = f"{options.workers} x {options.concurrency} jobs at once"
            self._say("worker", f"Workers on this machine: {shape} ({options.reason})")
            self._prepare_certificate()
            for index in range(options.workers):
                supervisor.start(self._worker(index, addresses))
            return supervisor.run(
                lambda: sum(worker.ready for worker in worker_registry.workers()) >= self._options.workers,
                max_deaths=MAX_DEATHS_AT_START,
            )
        finally:
            database.close()

    def _prepare_certificate(self) -> None:
        data, settings = self._folder.path, Settings.load()
        self._say("worker", development_certificate.prepare(data, settings))
        development_certificate.keep_renewed(
            data, settings, lambda line: self._say("worker", line), self._stopped
        )

    def _recover_jobs(self, part: Part) -> None:
        """Recover the jobs of a dead worker at once, without waiting for its leases to expire."""
        if part.name.startswith("worker"):
            try:
                take_over_from_dead(Settings(_env_file=None, database_url=f"sqlite:///{self._folder.ledger}"))
            except BrushworkError as error:
                self._say(part.name, f"its jobs are recovered when its leases expire: {error}")

    def _run_flower(self, supervisor: Supervisor, addresses: dict[str, str]) -> bool:
        if not self._options.flower:
            return True
        # After the workers: Flower lists the workers only when it starts.
        chosen = flower.flower(self._folder, addresses["BRUSHWORK_REDIS_URL"], self._options.flower_port)
        if chosen is None:
            self._say("flower", "is not installed. To install it: pip install 'brushwork[monitor]'")
            return True
        part, port = chosen
        addresses["BRUSHWORK_FLOWER_URL"] = f"http://127.0.0.1:{port}"
        supervisor.start(part)
        return supervisor.run(lambda: flower.answers(port), max_deaths=MAX_DEATHS_AT_START)

    def _run_gateway(self, supervisor: Supervisor, addresses: dict[str, str]) -> bool:
        if not self._options.gateway:
            return True
        # After Flower, because its page links to Flower.
        chosen = gateway.gateway(self._folder, addresses, self._options.gateway_port)
        if chosen is None:
            self._say("gateway", "is not installed. To install it: pip install 'brushwork[gateway]'")
            return True
        part, port = chosen
        if self._options.gateway_port is None and port != gateway.PORT:
            self._say("gateway", f"listens on port {port}, because {gateway.PORT} is in use")
        addresses["BRUSHWORK_GATEWAY_URL"] = f"http://127.0.0.1:{port}"
        supervisor.start(part)
        return supervisor.run(lambda: gateway.answers(port), max_deaths=MAX_DEATHS_AT_START)

    def _addresses(self, redis_url: str) -> dict[str, str]:
        return {
            "BRUSHWORK_REDIS_URL": redis_url,
            "BRUSHWORK_DATABASE_URL": f"sqlite:///{self._folder.ledger}",
            "BRUSHWORK_ARTIFACTS_URL": str(self._folder.artifacts),
        }

    def _worker(self, index: int, addresses: dict[str, str]) -> Part:
        options = self._options
        place = {"BRUSHWORK_WORKERS_HERE": str(options.workers), "BRUSHWORK_WORKER_INDEX": str(index)}
        chosen = ["--kinds", ",".join(options.kinds), "--concurrency", str(options.concurrency)]
        # An orphaned worker may be killed at once: the ledger makes its jobs run again.
        return Part(
            "worker" if options.workers == 1 else f"worker {index + 1}",
            (sys.executable, "-m", "brushwork", "worker", *chosen),
            {**addresses, **place, "BRUSHWORK_DATA": str(self._folder.path)},
            grace_s=Settings.load().grace_s + CLOSING_S,
        )
