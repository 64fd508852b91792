"""Jobs whose results wait for a review."""

from typing import Any

from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Completion, HoldReason, Ledger, WriteOutcome
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact

from tests.clients import png
from tests.jobs import claimed, new_job, result_of

REASON = "It shows a <b>star</b>."


def held_result(
    settings: Settings, job_id: str, tenant: str = "acme", colour: str = "red", **options: Any
) -> Artifact:
    """Write a job whose result is held, and return the picture of the result."""
    database = Database(settings.database_url.get_secret_value())
    stored = ArtifactStore(settings.artifacts_url).put_picture(png(colour))
    ledger = Ledger(database, lease_s=600)
    ledger.submit([new_job(job_id, tenant=tenant, **options)])
    result = {**result_of(1), "images": [stored.model_dump(mode="json")], "seeds": [7]}
    fence = claimed(ledger, job_id).fence
    end = Completion(job_id, fence, result, (stored,), hold=HoldReason("no-stars", REASON))
    assert ledger.complete_many([end]) == [WriteOutcome.APPLIED]
    database.close()
    return stored
