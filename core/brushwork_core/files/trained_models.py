"""Models that jobs have trained: their tenants and their files."""

from collections.abc import Collection
from typing import Any

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import TRAINED, Model, trained_model
from brushwork_schemas.errors import ModelNotHere, UnknownModel
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from sqlalchemy import ColumnElement, select

from brushwork_core.database.database import Database
from brushwork_core.database.review_table import REVIEWS, is_held
from brushwork_core.database.tables import JOBS, RESULTS

NEWEST = 50


class TrainedModels:
    """Reads the models of succeeded training jobs. A model belongs to the tenant of its job.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def expect(self, model: Model, tenant: str) -> None:
        """Check that a trained model exists for this tenant. Models of the catalogue always pass.

        Raises:
            UnknownModel: This tenant has no training job of that id, or the job has not succeeded.
        """
        job_id = model.source.job
        if job_id is None:
            return
        mine = (JOBS.c.id == job_id, _trains(), JOBS.c.tenant == tenant, ~_is_held())
        with self._database.reading() as connection:
            state = connection.execute(select(JOBS.c.state).where(*mine)).scalar_one_or_none()
        if state is None:
            raise _unknown(f"Model {model.name!r}: this tenant has no training job with that id.")
        if state != JobState.SUCCEEDED:
            raise _unknown(f"Model {model.name!r}: the training job is {state}, so it has no model.")

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
        is_done = JOBS.c.state == JobState.SUCCEEDED
        done = (JOBS.c.kind.in_(wanted), is_done, JOBS.c.tenant == tenant, ~_is_held())
        latest = (JOBS.c.created_at.desc(), JOBS.c.id.desc())
        newest = select(JOBS.c.id, JOBS.c.kind).where(*done).order_by(*latest).limit(NEWEST)
        with self._database.reading() as connection:
            rows = connection.execute(newest).all()
        return [trained_model(f"{TRAINED}{row.id}", training[row.kind]) for row in rows]

    def of_tenant(self, names: Collection[str], tenant: str) -> frozenset[str]:
        """Return which of the names are models that jobs of a tenant have trained.

        Args:
            names: Names of models, of any kind.
            tenant: Owner of the jobs.
        """
        job_ids = [name.removeprefix(TRAINED) for name in names if name.startswith(TRAINED)]
        if not job_ids:
            return frozenset()
        mine = (JOBS.c.id.in_(job_ids), JOBS.c.tenant == tenant)
        with self._database.reading() as connection:
            return frozenset(
                f"{TRAINED}{found}" for found in connection.execute(select(JOBS.c.id).where(*mine)).scalars()
            )

    def files(self, job_id: str) -> dict[str, Artifact]:
        """Return the files of a trained model, by the file names that a loader expects.

        Raises:
            ModelNotHere: The job was removed, or has not succeeded.
        """
        stored = select(RESULTS.c.result).join(JOBS, JOBS.c.id == RESULTS.c.job_id)
        mine = (JOBS.c.id == job_id, _trains())
        with self._database.reading() as connection:
            result: dict[str, Any] | None = connection.execute(stored.where(*mine)).scalar_one_or_none()
        if result is None:
            raise ModelNotHere(
                said(
                    "Model {trained}{job_id}: the job that trained it was removed.",
                    trained=TRAINED,
                    job_id=job_id,
                ),
                field="model",
                hint="Train the model again. `brushwork prune` removes old jobs with their files.",
            )
        names = {"config.json": "config", "model.safetensors": "weights"}
        return {file: Artifact.model_validate(result[name]) for file, name in names.items()}


def _is_held() -> ColumnElement[bool]:
    return select(REVIEWS.c.job_id).where(REVIEWS.c.job_id == JOBS.c.id, is_held()).exists()


def _trains() -> ColumnElement[bool]:
    return JOBS.c.kind.in_([each.name for each in all_kinds().values() if each.trains])


def _unknown(message: str) -> UnknownModel:
    return UnknownModel(
        message, field="model", hint="trained:<job id> names a succeeded training job of the same tenant."
    )
