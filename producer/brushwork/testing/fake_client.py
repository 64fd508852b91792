"""Clients that need no service: jobs in memory, run by the test that holds them."""

from pathlib import Path

from brushwork_core.settings.settings import Settings
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.preview import Preview

from brushwork.async_client import AsyncClient
from brushwork.client import Client
from brushwork.testing.memory_transport import MemoryTransport
from brushwork.testing.script import Written
from brushwork.transports.threaded import ThreadedTransport


class Worker:
    """What a test does in a worker's place; both fake clients have it, and none of it is awaited."""

    _memory: MemoryTransport

    def answer(self, kind: str, *outcomes: Written) -> None:
        """Say what becomes of jobs of a kind. Without this, they have a small sample result.

        Args:
            kind: Of the jobs.
            *outcomes: For one job after the other, the last for all that follow. Each is a result (a mapping
                of its fields, pictures as PIL images or bytes, where what is left out is the sample's; or in
                short a picture or several, a caption, a mapping of labels to scores), an error that the job
                fails with, or a function of the job that returns or raises one of these. None is the sample.

        Raises:
            UnknownKind: There is no such kind.
        """
        self._memory.script.write(kind, outcomes)

    def run_next(self) -> Job | None:
        """Run the next queued job to its end; None where none waits. The most urgent comes first."""
        return self._memory.run_next()

    def run_all(self) -> list[Job]:
        """Run queued jobs until none waits; they are returned in the order in which they ran."""
        ran = []
        while (job := self.run_next()) is not None:
            ran.append(job)
        return ran

    def start(self, job_id: str) -> Job:
        """Move a queued job to `running`, and leave it there.

        Raises:
            RuntimeError: It is not queued.
        """
        return self._memory.ledger.start(job_id)

    def advance(self, job_id: str, step: int, total: int) -> Job:
        """Say how far a running job is.

        Raises:
            RuntimeError: It does not run.
        """
        return self._memory.ledger.advance(job_id, Progress(step=step, total=total))

    def show(self, job_id: str, preview: Preview) -> None:
        """Have a running job show this preview."""
        self._memory.show(job_id, preview)

    def finish(self, job_id: str, outcome: Written = None) -> Job:
        """End a running job: by this outcome, as for `answer`, else by what was said there.

        Raises:
            RuntimeError: It does not run.
        """
        return self._memory.finish(job_id, outcome)


class FakeClient(Worker, Client):
    """A `Client` without Redis, database and model. Requests are checked as the real ones are.

    Args:
        auto: Whether each job runs to its end as soon as it is submitted; else it stays queued until the test
            has it run.
        catalogue: As `BRUSHWORK_CATALOGUE`.
    """

    def __init__(self, *, auto: bool = False, catalogue: Path | None = None) -> None:
        # Nothing of the machine that the tests run on.
        self.settings = Settings.model_construct(catalogue=catalogue)
        self._transport = self._memory = MemoryTransport(self.settings, auto=auto)


class FakeAsyncClient(Worker, AsyncClient):
    """An `AsyncClient` without Redis, database and model.

    Args:
        auto: As for `FakeClient`.
        catalogue: As for `FakeClient`.
    """

    def __init__(self, *, auto: bool = False, catalogue: Path | None = None) -> None:
        self.settings = Settings.model_construct(catalogue=catalogue)
        self._memory = MemoryTransport(self.settings, auto=auto)
        self._transport = ThreadedTransport(self._memory)
