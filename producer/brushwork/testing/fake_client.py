"""Clients for tests: jobs are kept in memory, and the test does the worker's part."""

from pathlib import Path

from brushwork_core.settings.settings import Settings
from brushwork_schemas.job import Job, Progress, id_of
from brushwork_schemas.preview import Preview

from brushwork.async_client import AsyncClient
from brushwork.client import Client
from brushwork.testing.memory_transport import MemoryTransport
from brushwork.testing.script import ScriptedOutcome
from brushwork.typed.arguments import UntypedKind
from brushwork.typed.parameters import KindName


class FakeWorker:
    """The worker's part, done by the test. Both fake clients have these methods; none of them is awaited."""

    _memory: MemoryTransport

    def answer(self, kind: KindName | UntypedKind, *outcomes: ScriptedOutcome) -> None:
        """Set the outcomes of the next jobs of a kind. Without this, jobs get a small sample result.

        Args:
            kind: The kind of the jobs.
            *outcomes: One outcome for each job in turn; the last one is used for all later jobs. An outcome
                is one of these: a mapping of result fields, with pictures as PIL images or bytes (missing
                fields are taken from the sample); a short form (one picture or several, a caption, a mapping
                of labels to scores); an error that the job fails with; a function that takes the job and
                returns or raises one of these; or None for the sample.

        Raises:
            UnknownKind: There is no such kind.
        """
        self._memory.script.set_outcomes(kind, outcomes)

    def run_next(self) -> Job | None:
        """Run the most urgent queued job to its end, and return it; None if no job is queued."""
        return self._memory.run_next()

    def run_all(self) -> list[Job]:
        """Run queued jobs until none is left, and return them in the order in which they ran."""
        ran = []
        while (job := self.run_next()) is not None:
            ran.append(job)
        return ran

    def start(self, job: Job | str) -> Job:
        """Start a queued job, given as such or by its id, and leave it in the state `running`.

        Raises:
            RuntimeError: The job is not queued.
        """
        return self._memory.ledger.start(id_of(job))

    def advance(self, job: Job | str, step: int, total: int) -> Job:
        """Set the progress of a running job: `step` of `total` steps are done.

        Raises:
            RuntimeError: The job is not running.
        """
        return self._memory.ledger.advance(id_of(job), Progress(step=step, total=total))

    def show(self, job: Job | str, preview: Preview) -> None:
        """Set the preview of a running job."""
        self._memory.show(id_of(job), preview)

    def finish(self, job: Job | str, outcome: ScriptedOutcome = None) -> Job:
        """End a running job.

        Args:
            job: The job, or its id.
            outcome: As for `answer`; None uses the next outcome that `answer` has set.

        Raises:
            RuntimeError: The job is not running.
        """
        return self._memory.finish(id_of(job), outcome)


class FakeClient(FakeWorker, Client):
    """A `Client` without Redis, database and model. Requests are validated as in production.

    Args:
        auto: Whether each job runs to its end as soon as it is submitted. If not, it stays queued until the
            test runs it.
        catalogue: A TOML file whose models are added to the packaged ones, as `BRUSHWORK_CATALOGUE`.
    """

    def __init__(self, *, auto: bool = False, catalogue: Path | None = None) -> None:
        # `model_construct` reads no environment, so tests do not depend on the machine.
        self.settings = Settings.model_construct(catalogue=catalogue)
        self._memory = MemoryTransport(self.settings, auto=auto)
        self._connect(self._memory)


class FakeAsyncClient(FakeWorker, AsyncClient):
    """An `AsyncClient` without Redis, database and model.

    Args:
        auto: Whether each job runs to its end as soon as it is submitted.
        catalogue: A TOML file whose models are added to the packaged ones.
    """

    def __init__(self, *, auto: bool = False, catalogue: Path | None = None) -> None:
        self.settings = Settings.model_construct(catalogue=catalogue)
        self._memory = MemoryTransport(self.settings, auto=auto)
        self._connect(self._memory)
