"""The embedded stack as a whole: what starts after what, when it is ready, and how it ends."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from brushwork_core.database.database import Database
from brushwork_core.fleet.takeover import take_over_from_dead
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError, InvalidRequest

from brushwork.embedded import flower, gateway, redis_server, webhook_sender
from brushwork.embedded.child import Part
from brushwork.embedded.data_folder import DataFolder, is_free
from brushwork.embedded.supervisor import Supervisor

# A worker needs a moment beyond the grace that it gives its jobs, to close what it has open.
CLOSING_S = 10.0
MAX_DEATHS_AT_START = 3


@dataclass(frozen=True)
class StackOptions:
    """What may be chosen about a stack.

    Args:
        data: The folder that holds all of it.
        kinds: Kinds of jobs its workers serve.
        workers: How many workers run; they divide cores and GPUs among themselves.
        concurrency: Jobs that each worker runs at once.
        flower: Whether Flower runs too.
        flower_port: Its port, by default a free one.
        gateway: Whether the HTTP gateway runs too.
        gateway_port: Its port, by default 8600 or a free one; 0 is a free one.
    """

    data: Path
    kinds: tuple[str, ...]
    workers: int = 1
    concurrency: int = 16
    flower: bool = True
    flower_port: int | None = None
    gateway: bool = True
    gateway_port: int | None = None


class Stack:
    """Redis, a migrated ledger, workers, the sender of webhooks, Flower and the HTTP gateway.

    Args:
        options: What was chosen.
        say: Called with a part's name and a line of its output, from any thread.
    """

    def __init__(self, options: StackOptions, say: Callable[[str, str], None]) -> None:
        self._options = options
        self._say = say
        self._folder = DataFolder(options.data)
        self._supervisor: Supervisor | None = None
        self._stop_wanted = False

    def request_stop(self) -> None:
        """Make `run` stop everything and return; once more makes it hurry. Safe in a signal handler."""
        self._stop_wanted = True
        if self._supervisor is not None:
            self._supervisor.request_stop()

    def run(self, on_ready: Callable[[dict[str, str]], None]) -> None:
        """Start everything and keep it running until `request_stop`.

        Args:
            on_ready: Called once with the addresses that `brushwork.env` then holds.

        Raises:
            DataFolderInUse: Another stack runs on the folder.
            InvalidRequest: A port that was asked for is another program's.
            MissingExtra: Redis or the worker is not installed.
            PartFailed: A part can't be started.
        """
        self._folder.create()
        with self._folder.locked() as lock:
            self._supervisor = Supervisor(self._say, kept_fds=[lock], on_death=self._bury)
            try:
                if self._stop_wanted:
                    return
                self._check_ports()
                self._folder.retract()
                self._run(self._supervisor, on_ready)
            finally:
                self._folder.retract()
                self._supervisor.stop()

    def _check_ports(self) -> None:
        """Whoever listens there would be taken for ours."""
        asked = {
            "port": self._options.gateway and self._options.gateway_port,
            "flower-port": self._options.flower and self._options.flower_port,
        }
        for name, port in asked.items():
            if port and not is_free(port, taken=[]):
                raise InvalidRequest(
                    f"{name}: port {port} of 127.0.0.1 is another program's.",
                    field=name,
                    hint=f"Choose another, or leave --{name} out: then one is found.",
                )

    def _run(self, supervisor: Supervisor, on_ready: Callable[[dict[str, str]], None]) -> None:
        redis, redis_url = redis_server.redis_server(self._folder)
        addresses = self._addresses(redis_url)
        supervisor.start(redis)
        if not supervisor.run(lambda: redis_server.answers(redis_url), max_deaths=MAX_DEATHS_AT_START):
            return
        if not self._run_workers(supervisor, addresses):
            return
        # After the workers, which sign nothing and so need no secret.
        addresses["BRUSHWORK_WEBHOOK_SECRET"] = webhook_sender.secret(self._folder)
        supervisor.start(webhook_sender.webhook_sender(self._folder, addresses))
        if not (self._run_flower(supervisor, addresses) and self._run_gateway(supervisor, addresses)):
            return
        self._folder.announce(addresses)
        on_ready(addresses)
        supervisor.run()

    def _run_workers(self, supervisor: Supervisor, addresses: dict[str, str]) -> bool:
        database = Database(addresses["BRUSHWORK_DATABASE_URL"])
        try:
            database.migrate()
            worker_registry = WorkerRegistry(database)
            # Nobody else runs on this folder: who is still on the list was killed in an earlier life.
            Ledger(database).reap([worker.name for worker in worker_registry.workers()])
            worker_registry.forget(0)
            for index in range(self._options.workers):
                supervisor.start(self._worker(index, addresses))
            return supervisor.run(
                lambda: sum(worker.ready for worker in worker_registry.workers()) >= self._options.workers,
                max_deaths=MAX_DEATHS_AT_START,
            )
        finally:
            database.close()

    def _bury(self, part: Part) -> None:
        """Have a dead worker's jobs run again at once: its lease need not run out, for its end was seen."""
        if part.name.startswith("worker"):
            try:
                take_over_from_dead(Settings(_env_file=None, database_url=f"sqlite:///{self._folder.ledger}"))
            except BrushworkError as error:
                self._say(part.name, f"its jobs wait until its lease runs out: {error}")

    def _run_flower(self, supervisor: Supervisor, addresses: dict[str, str]) -> bool:
        if not self._options.flower:
            return True
        # After the worker: Flower asks the workers who they are when it starts, and not again.
        chosen = flower.flower(self._folder, addresses["BRUSHWORK_REDIS_URL"], self._options.flower_port)
        if chosen is None:
            self._say("flower", "is not installed; to have it: pip install 'brushwork[monitor]'")
            return True
        part, port = chosen
        addresses["BRUSHWORK_FLOWER_URL"] = f"http://127.0.0.1:{port}"
        supervisor.start(part)
        return supervisor.run(lambda: flower.answers(port), max_deaths=MAX_DEATHS_AT_START)

    def _run_gateway(self, supervisor: Supervisor, addresses: dict[str, str]) -> bool:
        if not self._options.gateway:
            return True
        # After Flower, to whose pages its own page has a link.
        chosen = gateway.gateway(self._folder, addresses, self._options.gateway_port)
        if chosen is None:
            self._say("gateway", "is not installed; to have it: pip install 'brushwork[gateway]'")
            return True
        part, port = chosen
        if self._options.gateway_port is None and port != gateway.PORT:
            self._say("gateway", f"listens on port {port}, for {gateway.PORT} is taken")
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
        # The ledger makes it safe to end an orphaned worker at once: its jobs run again.
        return Part(
            "worker" if options.workers == 1 else f"worker {index + 1}",
            (sys.executable, "-m", "brushwork", "worker", *chosen),
            {**addresses, **place, "BRUSHWORK_DATA": str(self._folder.path)},
            grace_s=Settings.load().grace_s + CLOSING_S,
        )
