"""In place of workers: ends jobs soon after they are accepted, so that no wait and no stream is long."""

import threading
from types import TracebackType
from typing import Self

from brushwork.testing.script import Script
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import artifacts_within
from brushwork_schemas.job import JobError
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.states import JobState

LOOK_EVERY_S = 0.05
AT_ONCE = 200
FAILURE = JobError(code="out_of_memory", message="The device is full.", fault="machine")


class Performer:
    """From `with` to its end.

    Args:
        settings: Where the jobs are.
    """

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings.database_url.get_secret_value())
        self._ledger, self._index = Ledger(self._database, lease_s=600), JobIndex(self._database)
        # Results of the fake clients: such as the kinds say.
        self._script = Script(ArtifactStore(settings.artifacts_url))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._perform, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._database.close()

    def _perform(self) -> None:
        count = 0
        while not self._over.wait(LOOK_EVERY_S):
            self._ledger.expire_queued()
            for job in self._index.list(JobFilter(state=JobState.QUEUED), limit=AT_ONCE):
                if (claim := self._ledger.claim(job.id, "performer")) is not None:
                    count += 1
                    self._end(job.id, claim.fence, FAILURE if count % 3 == 0 else None)

    def _end(self, job_id: str, fence: int, failure: JobError | None) -> None:
        outcome = failure or self._script.outcome(self._index.get(job_id), None)
        if isinstance(outcome, JobError):
            self._ledger.fail(job_id, fence, outcome)
        else:
            result = outcome.model_dump(mode="json")
            self._ledger.complete(job_id, fence, result, list(artifacts_within(outcome)))
