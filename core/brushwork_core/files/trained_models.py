"""Models that jobs have trained: whose they are, and which files they are made of."""

from typing import Any

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import TRAINED, Model, trained_model
from brushwork_schemas.errors import ModelNotHere, UnknownModel
from brushwork_schemas.states import JobState
from sqlalchemy import select

from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS, RESULTS

TRAINS, SERVES = "image-classification-training", "image-classification"
NEWEST = 50


class TrainedModels:
    """The ledger's finished trainings, as models. Each belongs to the tenant of its job.

    Args:
        database: Where the jobs are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def expect(self, model: Model, tenant: str) -> None:
        """Let this model pass unless a job is said to have trained it that has not, or not for this tenant.

        Raises:
            UnknownModel: There is no such job of this tenant, or it has trained nothing.
        """
        job_id = model.source.job
        if job_id is None:
            return
        mine = (JOBS.c.id == job_id, JOBS.c.kind == TRAINS, JOBS.c.tenant == tenant)
        with self._database.reading() as connection:
            state = connection.execute(select(JOBS.c.state).where(*mine)).scalar_one_or_none()
        if state is None:
            raise _unknown(f"Model {model.name!r}: you have no training of that name.")
        if state != JobState.SUCCEEDED:
            raise _unknown(f"Model {model.name!r}: that training is {state} and has given no model.")

    def newest(self, tenant: str, kind: str | None = SERVES) -> list[Model]:
        """The newest models that this tenant's jobs have trained, if they serve that kind; None is any."""
        if kind not in (None, SERVES):
            return []
        done = (JOBS.c.kind == TRAINS, JOBS.c.state == JobState.SUCCEEDED, JOBS.c.tenant == tenant)
        latest = (JOBS.c.created_at.desc(), JOBS.c.id.desc())
        with self._database.reading() as connection:
            ids = connection.execute(select(JOBS.c.id).where(*done).order_by(*latest).limit(NEWEST)).scalars()
            return [trained_model(f"{TRAINED}{job_id}", SERVES) for job_id in ids]

    def files(self, job_id: str) -> dict[str, Artifact]:
        """What a training has left, by the name that a loader gives it.

        Raises:
            ModelNotHere: The job is gone, or has trained nothing.
        """
        stored = select(RESULTS.c.result).join(JOBS, JOBS.c.id == RESULTS.c.job_id)
        mine = (JOBS.c.id == job_id, JOBS.c.kind == TRAINS)
        with self._database.reading() as connection:
            result: dict[str, Any] | None = connection.execute(stored.where(*mine)).scalar_one_or_none()
        if result is None:
            raise ModelNotHere(
                f"Model {TRAINED}{job_id}: the job that trained it is gone.",
                field="model",
                hint="Train it again; brushwork prune removes old jobs with what they made.",
            )
        names = {"config.json": "config", "model.safetensors": "weights"}
        return {file: Artifact.model_validate(result[name]) for file, name in names.items()}


def _unknown(message: str) -> UnknownModel:
    return UnknownModel(
        message, field="model", hint=f"trained:<job id> names a succeeded {TRAINS} job of the same tenant."
    )
