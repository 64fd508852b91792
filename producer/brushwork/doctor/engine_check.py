"""Check what runs the modules of models whose catalogue entry names an engine."""

from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec

from brushwork_core.files.model_folders import is_here
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue, Model

from brushwork.doctor.finding import Finding, fail, ok, warn

ABOUT = "engines"
_HINT = "brushwork models engines shows what runs each module."


def check_engines(settings: Settings) -> Iterator[Finding]:
    """Check the engines of the models on this machine, without exporting or loading a model."""
    with_engine = [model for model in Catalogue.load(settings.catalogue) if model.engine != "torch"]
    here = [model for model in with_engine if is_here(model.source)]
    # A machine without torch runs no workers.
    if here and find_spec("torch") is not None:
        service = next(iter(entry_points(group="brushwork.service", name="engines"))).load()
        for model in here:
            yield _finding(model, service.report(model))


def _finding(model: Model, report: object) -> Finding:
    state, about = getattr(report, "state", ""), f"{model.name}: {getattr(report, 'about', '')}."
    hint = getattr(report, "hint", "") or _HINT
    if state == "unavailable":
        return fail(ABOUT, about, hint)
    if state in ("partial", "refused"):
        return warn(ABOUT, about, hint)
    return ok(ABOUT, about if state == "ready" else f"{model.name}: not exported for {model.engine} yet.")
