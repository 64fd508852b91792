"""Both clients behind one manner of calling, on a real Redis and either database; jobs they can find."""

import asyncio
import inspect
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brushwork import (
    AsyncClient,
    Job,
)
from brushwork_schemas.artifact_store import ArtifactStore
from brushwork_schemas.database import Database
from brushwork_schemas.ledger import Ledger
from brushwork_schemas.tables import ARTIFACTS, JOBS
from PIL import Image
from sqlalchemy import func, select

KIND = "text-to-image"


class Blocking:
    """An `AsyncClient` with the manners of a `Client`: each call runs the event loop until it is answered."""

    def __init__(self, **arguments: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(**arguments)
        self.settings = self._client.settings

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any, **options: Any) -> Any:
            answer = method(*arguments, **options)
            return self._runner.run(_awaited(answer)) if inspect.isawaitable(answer) else answer

        return call

    def __enter__(self) -> "Blocking":
        self._runner.run(_awaited(self._client.__aenter__()))
        return self

    def __exit__(self, *error: Any) -> None:
        self._runner.run(_awaited(self._client.__aexit__(None, None, None)))
        self._runner.close()


async def _awaited(answer: Any) -> Any:
    return await answer


def num_rows(database: Database) -> tuple[int, int]:
    with database.reading() as connection:
        jobs, artifacts = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (JOBS, ARTIFACTS)
        )
    return jobs, artifacts


def stored_files(client: Any) -> list[Path]:
    return [path for path in Path(client.settings.artifacts_url).rglob("*") if path.is_file()]


def png(colour: str = "red", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 8), colour).save(buffer, "PNG", **options)
    return buffer.getvalue()


def finished(client: Any, ledger: Ledger) -> Job:
    """A job with a result of one picture."""
    job = client.submit(KIND, prompt="x", seed=3)
    claim = ledger.claim(job.id, "worker")
    assert claim is not None
    artifact = ArtifactStore(client.settings.artifacts_url).put_picture(png("blue"))
    provenance = {
        "model": "m", "model_revision": "1", "versions": {}, "device": "cpu", "dtype": "float32",
        "worker": "w", "attempt": 1, "timings": {"queued_s": 0.0, "loading_s": 0.0, "running_s": 0.0},
    }  # fmt: skip
    result = {"images": [artifact.model_dump()], "seed": 3, "seeds": [3], "provenance": provenance}
    assert ledger.complete(job.id, claim.fence, result, [artifact])
    return client.get(job.id)  # type: ignore[no-any-return]
