"""The functions that the command line uses for engines: the entry point `engines` of brushwork.service."""

from brushwork_schemas.catalogue import Model

from brushwork_workers.engines.engine_report import EngineReport
from brushwork_workers.engines.engine_report import report as report_of
from brushwork_workers.process.engine_export import engine_store

__all__ = ["report"]


def report(model: Model, *, export: bool = False) -> EngineReport:
    """Return the state of the engine of a model on this machine.

    Args:
        model: Its catalogue entry, which names an engine.
        export: Whether to export the model if it has not been exported.

    Raises:
        ExportFailed: The export ended without a manifest.
    """
    return report_of(model, engine_store(), export=export)
