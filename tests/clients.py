"""Every client behind one manner of calling, and whoever does its jobs."""

import asyncio
import inspect
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from brushwork import AsyncClient, Client, Preview, Progress
from brushwork.testing import FakeAsyncClient, FakeClient
from brushwork_core.database.database import Database
from brushwork_core.database.tables import ARTIFACTS, JOBS
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.fleet.job_signals import JobSignals, ProgressReport
from brushwork_core.ledger import Ledger, WriteOutcome
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError
from brushwork_schemas.job import JobError
from PIL import Image
from sqlalchemy import func, select

from tests.live_gateways import Listening

KIND = "text-to-image"
DIRECT = ("Client", "AsyncClient")
BY_HTTP = ("Client by HTTP", "AsyncClient by HTTP")
FAKES = ("FakeClient", "FakeAsyncClient")
_END = object()


class Blocking:
    """An `AsyncClient` with the manners of a `Client`: each call runs the event loop until it is answered.

    Args:
        client: It.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._runner = asyncio.Runner()
        self._client = client
        self.settings = client.settings

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method):
            return method

        def call(*arguments: Any, **options: Any) -> Any:
            answer = method(*arguments, **options)
            if isinstance(answer, AsyncIterator):
                return self._each(answer)
            return self._runner.run(_awaited(answer)) if inspect.isawaitable(answer) else answer

        return call

    def _each(self, answers: AsyncIterator[Any]) -> Iterator[Any]:
        while (answer := self._runner.run(_awaited(anext(answers, _END)))) is not _END:
            yield answer

    def __repr__(self) -> str:
        return repr(self._client)

    def __enter__(self) -> "Blocking":
        self._runner.run(_awaited(self._client.__aenter__()))
        return self

    def __exit__(self, *error: Any) -> None:
        self._runner.run(_awaited(self._client.__aexit__(None, None, None)))
        self._runner.close()


async def _awaited(answer: Any) -> Any:
    return await answer


@contextmanager
def opened(way: str, *arguments: Any, **options: Any) -> Iterator[Any]:
    """A client that goes this way, from start to end; the arguments are the direct way's for all of them."""
    with ExitStack() as opening:
        if way in BY_HTTP:
            settings = options["settings"] if "settings" in options else Settings(**options)
            arguments, options = (opening.enter_context(Listening(settings)).address, *arguments), {}
        if "Async" in way:
            kind = FakeAsyncClient if way in FAKES else AsyncClient
            yield opening.enter_context(Blocking(kind(*arguments, **options)))
        else:
            yield opening.enter_context((FakeClient if way in FAKES else Client)(*arguments, **options))


class Hand(Protocol):
    """Does the work of jobs, step by step."""

    def start(self, job_id: str) -> None: ...
    def advance(self, job_id: str, step: int, total: int) -> None: ...
    def show(self, job_id: str, preview: Preview) -> None: ...
    def fail(self, job_id: str) -> None: ...
    def succeed(self, job_id: str) -> None: ...
    def num_stored(self) -> tuple[int, int]: ...


class LedgerHand:
    """A worker on a real ledger, with one picture as its only work.

    Args:
        settings: Where ledger and store are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.database = Database(settings.database_url.get_secret_value())
        self.ledger = Ledger(self.database, lease_s=600)
        self.index = JobIndex(self.database)

    def start(self, job_id: str) -> None:
        assert self.ledger.claim(job_id, "worker") is not None

    def advance(self, job_id: str, step: int, total: int) -> None:
        self._tell(job_id, Progress(step=step, total=total), None)

    def show(self, job_id: str, preview: Preview) -> None:
        self._tell(job_id, Progress(step=preview.step, total=preview.total), preview)

    def fail(self, job_id: str) -> None:
        error = JobError(code="internal", message="It broke.", fault="machine")
        assert self.ledger.fail(job_id, 1, error) is WriteOutcome.APPLIED

    def succeed(self, job_id: str) -> None:
        artifact = ArtifactStore(self._settings.artifacts_url).put_picture(png("blue"))
        provenance = {
            "model": "m", "model_revision": "1", "versions": {}, "device": "cpu", "dtype": "float32",
            "worker": "w", "attempt": 1, "timings": {"queued_s": 0.0, "loading_s": 0.0, "running_s": 0.0},
        }  # fmt: skip
        result = {"images": [artifact.model_dump()], "seed": 3, "seeds": [3], "provenance": provenance}
        assert self.ledger.complete(job_id, 1, result, [artifact]) is WriteOutcome.APPLIED

    def num_stored(self) -> tuple[int, int]:
        """Jobs in the ledger, and files in the store."""
        assert num_rows(self.database)[1] <= len(stored_files(self._settings))
        return num_rows(self.database)[0], len(stored_files(self._settings))

    def _tell(self, job_id: str, progress: Progress, preview: Preview | None) -> None:
        assert JobSignals(self.database).report_progress([ProgressReport(job_id, 1, progress, preview)])


class FakeHand:
    """The work as a test of a backend would have it done.

    Args:
        client: A fake.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def start(self, job_id: str) -> None:
        self._client.start(job_id)

    def advance(self, job_id: str, step: int, total: int) -> None:
        self._client.advance(job_id, step, total)

    def show(self, job_id: str, preview: Preview) -> None:
        self._client.show(job_id, preview)

    def fail(self, job_id: str) -> None:
        self._client.finish(job_id, BrushworkError("It broke."))

    def succeed(self, job_id: str) -> None:
        self._client.finish(job_id, {"images": [png("blue")], "seed": 3})

    def num_stored(self) -> tuple[int, int]:
        files = self._client._memory.store.old_files(older_than_s=-1, at_once=100)
        return len(self._client.list(limit=10_000)), sum(map(len, files))


@dataclass
class Stand:
    """A client, and what stands behind it.

    Args:
        way: Which client.
        settings: Of the service; None where there is none.
    """

    way: str
    client: Any
    hand: Hand
    settings: Settings | None = None

    def finished(self) -> Any:
        """A job with a result of one picture."""
        job = self.client.submit(KIND, prompt="x", seed=3)
        self.hand.start(job.id)
        self.hand.succeed(job.id)
        return self.client.get(job.id)


@contextmanager
def standing(way: str, settings: Settings | None) -> Iterator[Stand]:
    """A client that goes this way, with whoever does the work."""
    if settings is None:
        with opened(way) as client:
            yield Stand(way, client, FakeHand(client))
        return
    hand = LedgerHand(settings)
    try:
        with opened(way, settings=settings) as client:
            yield Stand(way, client, hand, settings)
    finally:
        hand.database.close()


def num_rows(database: Database) -> tuple[int, int]:
    with database.reading() as connection:
        jobs, artifacts = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (JOBS, ARTIFACTS)
        )
    return jobs, artifacts


def stored_files(settings: Settings) -> list[Path]:
    return [path for path in Path(settings.artifacts_url).rglob("*") if path.is_file()]


def png(colour: str = "red", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 8), colour).save(buffer, "PNG", **options)
    return buffer.getvalue()
