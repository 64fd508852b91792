"""Models that jobs have trained: `trained:<job id>` names one in place of a model of the catalogue."""

import re

from brushwork_schemas.catalogue.entries import Model
from brushwork_schemas.catalogue.source import Source
from brushwork_schemas.errors import UnknownModel
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.wording.phrase import said

TRAINED = "trained:"
_JOB_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def trained_model(name: str, kind: str) -> Model:
    """Return the catalogue entry of a model that a job trained.

    Args:
        name: `trained:<job id>`.
        kind: Kind of the jobs that the model is to serve.

    Raises:
        UnknownModel: No kind trains models that serve `kind`, or the name has no valid job id.
    """
    job = name.removeprefix(TRAINED)
    training = trains_for(kind)
    if training is None or training.trains is None or not _JOB_ID.fullmatch(job):
        raise UnknownModel(
            said("Model {name!r} does not serve {kind}.", name=name, kind=kind),
            field="model",
            hint=_trained_hint(),
        )
    return Model(name=name, family=training.trains.family, source=Source(job=job), licence="yours")


def trains_for(kind: str) -> Kind | None:
    """Return the kind whose jobs train models that serve `kind`, or None."""
    return next((each for each in all_kinds().values() if each.trains and each.trains.kind == kind), None)


def _trained_hint() -> str:
    pairs = [(each.name, each.trains.kind) for each in all_kinds().values() if each.trains]
    return " ".join(f"trained:<job id> of a {training} job serves {kind}." for training, kind in pairs)
