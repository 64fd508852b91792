"""Decides which engine a model gets on this machine, and prepares it."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from brushwork_schemas.catalogue import Model

from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.engine_use import TORCH
from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.engines.attached_engines import AttachedEngines
from brushwork_workers.engines.engine import check_installed
from brushwork_workers.engines.engine_store import EngineStore, ExportFailed
from brushwork_workers.engines.model_export import ExportOrder

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelEngines:
    """Prepares the engines of models.

    Args:
        store: The exported models of this machine.
    """

    store: EngineStore

    def prepare(
        self, model: Model, folder: Path, device: torch.device, model_executor: ModelExecutor
    ) -> AttachedEngines | None:
        """Return the engines of a model, exporting it if necessary; None if torch runs all of it.

        Args:
            model: The catalogue entry.
            folder: The folder of its verified files.
            device: The device that the model is loaded onto.
            model_executor: Runs the heavy calls of the model. An engine gets as many threads as torch has
                there.

        Raises:
            ModelUnavailable: The packages of the engine are not installed.
        """
        if model.engine == TORCH:
            return None
        check_installed(model)
        if device.type != "cpu":
            LOGGER.warning(
                "Model %s: torch runs it, because %s runs on CPUs only and the device is %s. Set "
                'placement = "cpu" in its catalogue entry, or leave `engine` out.',
                model.name,
                model.engine,
                device,
            )
            return None
        num_threads: int = model_executor.call(CallOptions(model=model.name), torch.get_num_threads)
        order = order_for(model, folder, num_threads)
        try:
            exported = self.store.get(order)
        except ExportFailed as error:
            LOGGER.warning("Model %s: torch runs it, because its export failed: %s", model.name, error)
            return None
        return AttachedEngines(model.name, self.store.folder(order), exported, num_threads)


def order_for(model: Model, folder: Path, num_threads: int = 1) -> ExportOrder:
    """Return what has to be exported for a model on this machine."""
    precision, note = model.engine_precision, ""
    if precision == "bfloat16" and not _computes_bfloat16():
        precision, note = "float32", "this CPU has no instructions for bfloat16"
    return ExportOrder(model, folder, precision, note, num_threads)


def _computes_bfloat16() -> bool:
    from brushwork_workers.engines.openvino_engine import computes_bfloat16

    return computes_bfloat16()
