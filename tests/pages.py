"""What the tests of the page's views share: jobs to show, and results for them."""

from typing import Any

from brushwork import Client
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Ledger, WriteOutcome
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.job import Job

from tests.clients import png
from tests.jobs import result_of

PROMPT = 'a <b>red</b> "circle" & {{ 7 * 7 }}'
COOKIE = "brushwork_key"


def submitted(settings: Settings, kind: str = "text-to-image", **parameters: Any) -> Job:
    given: dict[str, Any] = {"prompt": PROMPT} if kind == "text-to-image" else {"image": png()}
    with Client(settings=settings) as client:
        said = {name: value for name, value in {**given, **parameters}.items() if value is not None}
        return client.submit(kind, **said)


def ended(settings: Settings, job: Job, result: dict[str, Any], *pictures: Artifact) -> None:
    """Give the job a result, as a worker would."""
    database = Database(settings.database_url.get_secret_value())
    try:
        ledger = Ledger(database)
        claim = ledger.claim(job.id, "w")
        assert claim is not None
        assert (
            ledger.complete(job.id, claim.fence, {**result_of(1), **result}, list(pictures))
            is WriteOutcome.APPLIED
        )
    finally:
        database.close()


def stored(settings: Settings, data: bytes) -> Artifact:
    return ArtifactStore(settings.artifacts_url).put_picture(data)
