"""Models that jobs have trained: whose they are, and which files they are made of."""

from typing import Any

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import TRAINED, Model, trained_model
from brushwork_schemas.errors import ModelNotHere, UnknownModel
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.states import JobState
from sqlalchemy import ColumnElement, select

from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS, RESULTS

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
        mine = (JOBS.c.id == job_id, _trains(), JOBS.c.tenant == tenant)
        with self._database.reading() as connection:
            state = connection.execute(select(JOBS.c.state).where(*mine)).scalar_one_or_none()
        if state is None:
            raise _unknown(f"Model {model.name!r}: you have no training of that name.")
        if state != JobState.SUCCEEDED:
            raise _unknown(f"Model {model.name!r}: that training is {state} and has given no model.")

    def newest(self, tenant: str, kind: str | None = None) -> list[Model]:
        """Return the newest trained models of a tenant.

        Args:
            tenant: Owner of the jobs.
            kind: Only models that serve this kind; None means any kind.
        """
        training = {each.name: each.trains.kind for each in all_kinds().values() if each.trains}
        wanted = [name for name, serves in training.items() if kind in (None, serves)]
        if not wanted:
            return []
        done = (JOBS.c.kind.in_(wanted), JOBS.c.state == JobState.SUCCEEDED, JOBS.c.tenant == tenant)
        latest = (JOBS.c.created_at.desc(), JOBS.c.id.desc())
        newest = select(JOBS.c.id, JOBS.c.kind).where(*done).order_by(*latest).limit(NEWEST)
        with self._database.reading() as connection:
            rows = connection.execute(newest).all()
        return [trained_model(f"{TRAINED}{row.id}", training[row.kind]) for row in rows]

    def files(self, job_id: str) -> dict[str, Artifact]:
        """What a training has left, by the name that a loader gives it.

        Raises:
            ModelNotHere: The job is gone, or has trained nothing.
        """
        stored = select(RESULTS.c.result).join(JOBS, JOBS.c.id == RESULTS.c.job_id)
        mine = (JOBS.c.id == job_id, _trains())
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


def _trains() -> ColumnElement[bool]:
    return JOBS.c.kind.in_([each.name for each in all_kinds().values() if each.trains])


def _unknown(message: str) -> UnknownModel:
    return UnknownModel(
        message, field="model", hint="trained:<job id> names a succeeded training job of the same tenant."
    )
