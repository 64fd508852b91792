"""A request that takes too long to read and to check is refused, and nothing of it is written."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from brushwork.direct_client import DirectClient
from brushwork.gateway.admission.access import Principal
from brushwork.gateway.bodies.submission import Submission, write_within_s
from brushwork.inputs.file_inputs import FileInputs
from brushwork.inputs.time_limit import check_time, left_s, written_within
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceUnreachable

from tests.clients import num_rows, png


@pytest.mark.parametrize(
    ("answer_s", "write_s"), [(55.0, 35.0), (60.0, 40.0), (25.0, 12.5), (10.0, 5.0), (1.0, 0.5)]
)
def test_the_time_to_write_leaves_time_for_the_answer(answer_s: float, write_s: float) -> None:
    assert write_within_s(answer_s) == write_s


def test_there_is_no_limit_outside_of_a_request() -> None:
    assert left_s() is None
    check_time()
    with written_within(5):
        assert 4 < (left_s() or 0) <= 5
    assert left_s() is None


def test_no_further_file_is_read_when_the_time_is_over(tmp_path: Path) -> None:
    files = FileInputs(ArtifactStore(str(tmp_path)), max_dataset_bytes=2**20)
    with written_within(0), pytest.raises(ServiceUnreachable, match="Nothing was accepted"):
        files.read(png(), "image")
    assert files.read(png(), "image")


@pytest.mark.one_database("nothing is written")
def test_no_job_is_written_when_the_time_is_over(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    settings = Settings(
        redis_url="redis://127.0.0.1:1/0", database_url=database_url, artifacts_url=str(tmp_path / "a")
    )  # type: ignore[arg-type]
    with DirectClient(settings) as client:
        drafts = client.draft([{"kind": "text-to-image", "prompt": "a red circle"}])
        with written_within(0), pytest.raises(ServiceUnreachable, match="too long"):
            client.accept_drafts(drafts)
        assert num_rows(database) == (0, 0)
        with written_within(30):
            client.accept_drafts(drafts)
        assert num_rows(database)[0] == 1


class _Threads:
    """Threads that are all taken by others, as they are while these read large pictures."""

    async def run(self, *_: Any) -> Any:
        await asyncio.Event().wait()


class _Busy(Submission):
    def _threads(self, requests: Sequence[Any]) -> Any:
        return _Threads()


@dataclass(frozen=True)
class _Settings:
    answer_within_s: float = 0.1


@dataclass(frozen=True)
class _Services:
    settings: _Settings = field(default_factory=_Settings)
    tenant_files: Any = None
    client: Any = None


def test_a_request_does_not_wait_for_its_turn_for_ever() -> None:
    submission = _Busy(_Services(), Principal())  # type: ignore[arg-type]
    with pytest.raises(ServiceUnreachable, match="Nothing was accepted"):
        asyncio.run(submission.accept([]))
