"""What runs the modules of a model on this machine, for `brushwork models engines` and `brushwork doctor`."""

from dataclasses import dataclass
from typing import Literal

from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import ModelUnavailable

from brushwork_workers.engines.engine import check_installed
from brushwork_workers.engines.engine_store import EngineStore
from brushwork_workers.engines.exported_model import ExportedModel
from brushwork_workers.engines.model_engines import order_for
from brushwork_workers.models.location import locate


@dataclass(frozen=True)
class EngineReport:
    """The state of the engine of one model.

    Args:
        state: `ready` (the engine runs all modules), `partial` (torch runs some of them, or some calls),
            `refused` (torch runs all), `not exported`, or `unavailable` (packages or files are missing).
        about: What runs each module, or what is missing.
        hint: What to do; empty if there is nothing to do.
    """

    state: Literal["ready", "partial", "refused", "not exported", "unavailable"]
    about: str
    hint: str = ""


def report(model: Model, store: EngineStore, *, export: bool = False) -> EngineReport:
    """Return the state of the engine of a model.

    Args:
        model: Its catalogue entry, which names an engine.
        store: The exported models of this machine.
        export: Whether to export the model if it has not been exported.

    Raises:
        ExportFailed: The export ended without a manifest.
    """
    try:
        check_installed(model)
        folder = locate(model)
    except ModelUnavailable as error:
        return EngineReport("unavailable", error.message, error.hint or "")
    order = order_for(model, folder)
    found = store.get(order) if export else store.find(order)
    if found is None:
        hint = f"The first load exports it. To do so now: brushwork models engines {model.name} --export"
        return EngineReport("not exported", f"{model.engine} {order.precision}", hint)
    refusals = ExportedModel.refusals(store.folder(order))
    about = "; ".join([found.summary(), *(f"{name}: {reason}" for name, reason in refusals.items())])
    if all(module.reason for module in found.modules):
        return EngineReport("refused", about, "Remove `engine` from the catalogue entry, or try another one.")
    is_partial = refusals or any(module.reason for module in found.modules)
    return EngineReport("partial" if is_partial else "ready", about)
