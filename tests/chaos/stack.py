"""A whole brushwork to break: Redis, a database, a store, workers, a client, and a record of its answers.

A test gets one from the fixture `scene`, and says what goes wrong; the rest is checked when its block ends:

    @pytest.mark.fault("F01", "kill -9 of a worker at a random step")
    def test_something(scene: Scene, rng: Random) -> None:
        with scene.stack(num_workers=2) as stack:
            stack.submit(["steps=20 pause=0.02"] * 30)             # what a prompt may say: performer.py
            stack.submit(["exit"], ends=JobState.FAILED)           # a job that is not to succeed
            stack.kill(rng.choice(stack.workers))                  # also freeze, thaw, terminate
            stack.settle()                                         # all ended, within a bound

At the end of the block the stack settles once more, `invariants.judge` checks I1 to I9, and the verdict goes
into the table of `make chaos`. On the way there are `stack.redis` (a `RedisServer`), `stack.database`,
`stack.client`, `stack.journal` (what really began to run), `stack.artifacts` (the folder), `stack.settings`.
Servers are ended by `stack.halt`, which counts kills, as `stack.kill` does. Arguments of `scene.stack` that
the stack does not know are settings, such as `lease_s=5`; `worker_settings` are for the workers alone, such
as the address of a proxy. A recovery that no kill or freeze stands for is noted by `note_recovery`; the time
until a whole backlog has ended, which is none, by `note_settled`. A mark with `thorough=True` is left to
`make chaos`; one with `both=True` plays on both databases even in `make test`, as all do in `make chaos`; one
with `on=("postgresql",)` on those alone.
"""

import signal
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from brushwork import Client
from brushwork_core.database.bounded_postgres import IDLE_S
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Job
from brushwork_schemas.states import JobState
from redis import Redis
from sqlalchemy import select

from tests.chaos import history
from tests.chaos.database_lock import is_locked
from tests.chaos.evidence import Evidence, gather
from tests.chaos.invariants import Verdict, judge
from tests.chaos.journal import Journal
from tests.chaos.nursery import Nursery, Worker
from tests.chaos.record import Record
from tests.chaos.recovery import TERMINAL, Disruption
from tests.chaos.supervision import Supervision
from tests.servers import RedisServer, Server, wait_until

KIND = "text-to-image"
HOOK = "https://receiver.example/hook"
START_S = 60.0
END_S = 10.0
# What two busy cores may take for what costs milliseconds elsewhere.
SLACK_S = 3.0
QUICK = {
    "lease_s": 2.0, "heartbeat_s": 0.3, "sweep_s": 0.5, "redispatch_after_s": 1.0, "retry_s": 0.2,
    "stall_s": 3.0, "frozen_s": 6.0, "grace_s": 3.0, "publish_timeout_s": 1.0, "device": "cpu",
}  # fmt: skip
# For a test in which no worker ends or stands still, and every job has to run once. In the times of `QUICK`,
# a busy machine may keep a worker from renewing a lease, or a job from a step: then it rightly runs again.
PATIENT = {"lease_s": 30.0, "stall_s": 60.0, "frozen_s": 60.0}
# Files that are whole, for a worker looks at them first; a script takes the place of what they hold.
_CATALOGUE = """
[models.scripted]
family = "stable-diffusion"
source = { packaged = "pocket-diffusion" }
defaults = { width = 16, height = 16, num_inference_steps = 4, guidance_scale = 1.0 }
"""


class TellingClient(Client):
    """A client each of whose jobs is to be told of, so that the outbox can be checked."""

    def submit_many(self, requests: Iterable[Mapping[str, Any]]) -> list[Job]:
        return super().submit_many({"webhook_url": HOOK, **request} for request in requests)


class Stack:
    """From `with` to its end.

    Args:
        folder: Empty; everything of it lies there.
        nursery: Where workers come from.
        database_url: A migrated database of its own.
        num_workers: How many begin.
        supervised: Whether one that ends is replaced, as `brushwork up` does.
        kinds: What they serve.
        concurrency: Jobs that a worker runs at once.
        redis: In place of a plain one; not started yet.
        catalogue: More entries of the catalogue, as TOML; their models' names are in `models`.
        models: Names besides "scripted".
        worker_settings: Settings of the workers alone.
        own_url: The address by which the stack itself looks at the database, where it is another one.
        settings: In place of `QUICK`'s.
    """

    def __init__(
        self,
        folder: Path,
        nursery: Nursery,
        database_url: str,
        *,
        num_workers: int = 2,
        supervised: bool = True,
        kinds: Sequence[str] = (KIND,),
        concurrency: int = 4,
        redis: RedisServer | None = None,
        catalogue: str = "",
        models: Sequence[str] = (),
        worker_settings: Mapping[str, Any] | None = None,
        own_url: str | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.artifacts = folder / "artifacts"
        self.journal = Journal(folder / "journal")
        self.record = Record()
        self.redis = redis or RedisServer(folder)
        # Of all workers of the stack, living and dead.
        self.lives: list[Worker] = []
        self._nursery = nursery
        self._num_workers = num_workers
        self._kinds = tuple(kinds)
        self._concurrency = concurrency
        self._disruptions: list[Disruption] = []
        self._noted_recoveries_s: list[float] = []
        self._num_kills = 0
        self._settled_s: float | None = None
        self._changing = threading.Lock()
        addresses = {
            "redis_url": self.redis.url,
            "database_url": database_url,
            "artifacts_url": str(self.artifacts),
            "catalogue": self._write_catalogue(catalogue),
            "models": ",".join(("scripted", *models)),
        }
        self.settings = Settings.load(**{**QUICK, **addresses, **settings})
        self._own_url = own_url or database_url
        self._worker_settings = self.settings.overridden(**(worker_settings or {}))
        self._supervision = Supervision(self._worker_settings, self._replace) if supervised else None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.callback(self.redis.stop)
            self.redis.start()
            self.database = Database(self._own_url)
            opening.callback(self.database.close)
            history.install(self.database)
            self.client = opening.enter_context(TellingClient(settings=self.settings))
            opening.callback(self._end_workers)
            for number in range(self._num_workers):
                self.start_worker(f"w{number}")
            self.wait_ready()
            self._open = opening.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def submit(
        self, prompts: Sequence[str], *, ends: JobState = JobState.SUCCEEDED, **parameters: Any
    ) -> list[str]:
        """One job for each prompt, by one call of the client.

        Args:
            prompts: Scripts, as performer.py reads them.
            ends: How all of them are to end.
            parameters: More of the request or its options.

        Returns:
            Their ids. What the client raises is raised; then nothing counts as accepted.
        """
        began = time.monotonic()
        jobs = self.client.submit_many([{"kind": KIND, "prompt": prompt, **parameters} for prompt in prompts])
        self.record.note(jobs, ends, time.monotonic() - began)
        return [job.id for job in jobs]

    def job(self, job_id: str) -> Job:
        """The job as it is now."""
        return self.client.get(job_id)

    @property
    def workers(self) -> list[Worker]:
        """Those that live."""
        with self._changing:
            return [worker for worker in self.lives if worker.is_alive]

    def worker_of(self, job_id: str) -> Worker:
        """Who runs it now."""
        name = self.job(job_id).worker or ""
        return next(worker for worker in self.workers if worker.mark in name)

    def start_worker(
        self, name: str = "w", *, clock_ahead_s: float = 0.0, settings: Settings | None = None
    ) -> Worker:
        """One more worker; `wait_ready` waits for it."""
        worker = self._nursery.start(
            settings or self._worker_settings,
            name=f"{name}@here",
            log=self.folder / f"{name}.log",
            journal=self.journal.file,
            kinds=self._kinds,
            concurrency=self._concurrency,
            clock_ahead_s=clock_ahead_s,
            on_end=self._has_ended,
        )
        with self._changing:
            self.lives.append(worker)
        return worker

    def wait_ready(self, num: int | None = None) -> None:
        """Until so many workers, by default all that live, take work."""

        def are_ready() -> bool:
            wanted = len(self.workers) if num is None else num
            return sum(worker in self.workers for worker in self.ready_workers()) >= max(1, wanted)

        wait_until(
            are_ready, bound_s=START_S, what=f"the start of workers ({self.logs()[-2000:]})", look_s=0.05
        )

    def ready_workers(self) -> list[Worker]:
        """Those that the roster shows as ready."""
        names = [seen.name for seen in WorkerRegistry(self.database).workers() if seen.ready]
        return [worker for worker in self.workers if any(worker.mark in name for name in names)]

    def kill(self, worker: Worker) -> None:
        """`kill -9`."""
        self._disrupt(worker)
        self._num_kills += worker.is_alive
        worker.send(signal.SIGKILL)

    def halt(self, server: Server, number: signal.Signals = signal.SIGINT) -> None:
        """End Redis or PostgreSQL by this signal."""
        self._num_kills += number == signal.SIGKILL
        server.halt(number)

    def freeze(self, worker: Worker) -> None:
        """SIGSTOP: it does nothing, and nobody is told.

        On SQLite never in the midst of a write: it would keep everybody from writing for as long as it stands
        still. That is a limit of SQLite's, and docs/reliability.md names it.
        """
        self._disrupt(worker)
        worker.send(signal.SIGSTOP)
        while is_locked(self.database):
            worker.send(signal.SIGCONT)
            # On a busy machine it takes a while until it runs and ends its write.
            wait_until(lambda: not is_locked(self.database), what="the end of a write")
            worker.send(signal.SIGSTOP)

    def thaw(self, worker: Worker) -> None:
        """SIGCONT."""
        worker.send(signal.SIGCONT)

    def terminate(self, worker: Worker, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to stop. Its jobs go on for a while, so this counts as no disruption."""
        worker.send(number)

    def settle(self, bound_s: float = 60.0) -> None:
        """Wait until every job has ended; who is frozen has to be thawed or killed before."""
        try:
            wait_until(lambda: not self.unsettled(), bound_s=bound_s, what="the end of all jobs", look_s=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.unsettled()[:10]}\n{self.logs()[-6000:]}") from None

    def unsettled(self) -> list[str]:
        """What has not ended yet, accepted or not."""
        columns = select(JOBS.c.id, JOBS.c.state, JOBS.c.attempt, JOBS.c.suspicion, JOBS.c.worker)
        try:
            with self.database.reading() as connection:
                rows = connection.execute(columns.where(JOBS.c.state.not_in(TERMINAL))).all()
        except ServiceUnreachable as error:
            return [str(error)]
        return [" ".join(map(str, row)) for row in rows]

    def queues(self, connection: Redis) -> list[bytes]:
        """The lists in which messages wait; one that is empty is none."""
        return [key for key in connection.scan_iter(f"{KIND}*") if connection.type(key) == b"list"]

    def note_recovery(self, seconds: float) -> None:
        """A job that something hit took so long to be taken again."""
        self._noted_recoveries_s.append(seconds)

    def note_settled(self, seconds: float) -> None:
        """So long after a fault every job had ended, those included that only waited for their turn."""
        self._settled_s = max(self._settled_s or 0.0, seconds)

    def evidence(self) -> Evidence:
        """Record, tables, history and journal as they are now."""
        return gather(self.record, self.database, self.journal, self.artifacts)

    def verdict(self) -> Verdict:
        """What the invariants say now."""
        verdict = judge(self.evidence(), self._disruptions)
        return replace(
            verdict,
            recoveries_s=[*verdict.recoveries_s, *self._noted_recoveries_s],
            kills=self._num_kills,
            settled_s=self._settled_s,
        )

    @property
    def recovery_bound_s(self) -> float:
        """Within which a job that lost its worker is run again: lease, one sweep, and time to be sent."""
        settings = self.settings
        return settings.lease_s + 2 * settings.sweep_s + settings.redispatch_after_s + SLACK_S

    @property
    def frozen_recovery_bound_s(self) -> float:
        """Likewise of a worker that is frozen: its locks remain until PostgreSQL ends its transaction."""
        return self.recovery_bound_s + IDLE_S

    def logs(self) -> str:
        """What all workers have said."""
        return "\n".join(
            log.read_text("utf-8", errors="replace") for log in sorted(self.folder.glob("w*.log"))
        )

    def _disrupt(self, worker: Worker) -> None:
        self._disruptions.append(Disruption(time.time() * 1000, worker.mark))

    def _has_ended(self, worker: Worker) -> None:
        if self._supervision is not None:
            self._supervision.has_ended(worker)

    def _replace(self, worker: Worker) -> None:
        self.start_worker(worker.name.removesuffix("@here"))

    def _end_workers(self) -> None:
        if self._supervision is not None:
            self._supervision.close()
        for worker in self.workers:
            worker.send(signal.SIGKILL)
        for worker in self.workers:
            worker.wait_ended(END_S)

    def _write_catalogue(self, more: str) -> Path:
        file = self.folder / "catalogue.toml"
        file.write_text(_CATALOGUE + more)
        return file
