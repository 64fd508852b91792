"""What has run the modules of one job, for the provenance of its result."""

from collections.abc import Mapping

from brushwork_core.ledger import Claim
from brushwork_schemas.kinds.result import DenoiserCalls, Provenance, Timings

from brushwork_workers.batching.engine_use import TORCH
from brushwork_workers.engines.engine import engine_versions
from brushwork_workers.model_cache.loaded_model import LoadedModel
from brushwork_workers.models.revision import versions


class EnginesUsed:
    """Collects what has run each module that has an engine. Used by the thread of the job alone."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def add(self, names: Mapping[str, set[str]]) -> None:
        """Add what has run the modules of one call.

        Args:
            names: Names of engines, by module.
        """
        for module, engines in names.items():
            self._names.setdefault(module, set()).update(engines)

    def has(self, engine: str) -> bool:
        """Return whether an engine has run a module."""
        return any(engine in engines for engines in self._names.values())

    @property
    def by_module(self) -> dict[str, str]:
        """The names of what has run each module, joined by a comma if there were several."""
        return {module: ", ".join(sorted(engines)) for module, engines in sorted(self._names.items())}


def provenance_of(
    claim: Claim,
    worker: str,
    loaded_model: LoadedModel,
    timings: Timings,
    engines: EnginesUsed,
    denoiser_calls: DenoiserCalls | None = None,
) -> Provenance:
    """Return what the result says about how it was made.

    Args:
        claim: The claim of the attempt.
        worker: Name of this process in the ledger.
        loaded_model: The model.
        timings: How long it took.
        engines: What has run the modules of the model.
        denoiser_calls: How many calls of the denoiser were computed and skipped; None if it has none.
    """
    is_used = engines.has(loaded_model.engine)
    return Provenance(
        model=loaded_model.model.name,
        model_revision=loaded_model.revision,
        versions=versions() | (engine_versions(loaded_model.engine) if is_used else {}),
        device=loaded_model.device,
        dtype=loaded_model.dtype,
        engine=loaded_model.engine if is_used else TORCH,
        engine_precision=loaded_model.engine_precision if is_used else loaded_model.dtype,
        engine_modules=engines.by_module,
        denoiser_calls=denoiser_calls,
        worker=worker,
        attempt=claim.attempt,
        timings=timings,
    )
