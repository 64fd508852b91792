"""Exports a model for an engine in a process of its own.

torch replaces functions of all modules while it exports one, so calls of other models would fail meanwhile.
The process also returns all of its memory at its end.

python -m brushwork_workers.process.engine_export TARGET < order.json
"""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from brushwork_core.settings.environment import cache_dir
from brushwork_schemas.catalogue import Model, Source

from brushwork_workers.engines.engine_store import EXPORT_LIMIT_S, EngineStore
from brushwork_workers.engines.model_export import ExportOrder, export_model
from brushwork_workers.families.loaders import Loaders

# Lines of the process's output that are shown if it fails.
SHOWN_LINES = 3


def engine_store() -> EngineStore:
    """Return the exported models of this machine."""
    return EngineStore(cache_dir() / "engines", export_in_process)


class ExportProcessFailed(Exception):
    """The process ended with an error, or ran for too long."""


def export_in_process(order: ExportOrder, target: Path) -> None:
    """Export a model in a process of its own, and wait for it.

    Args:
        order: What is to be exported.
        target: An empty folder.

    Raises:
        ExportProcessFailed: The process failed; the message has the end of its output.
    """
    given = {
        "model": order.model.model_dump(mode="json"),
        # What the catalogue has looked up is not part of the entry.
        "base": _dumped(order.model.source.base_source),
        "vae": _dumped(order.model.vae_source),
        "folder": str(order.folder),
        "precision": order.precision,
        "note": order.note,
        "num_threads": order.num_threads,
    }
    command = [sys.executable, "-m", __name__, str(target)]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=EXPORT_LIMIT_S,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired as error:
        raise ExportProcessFailed(f"it took longer than {EXPORT_LIMIT_S:g} s") from error
    if done.returncode:
        last = " | ".join(done.stderr.strip().splitlines()[-SHOWN_LINES:])
        raise ExportProcessFailed(f"its process ended with status {done.returncode}: {last}")


def _dumped(source: Source | None) -> list[Any]:
    """Return a source and its base as JSON values."""
    if source is None:
        return []
    return [source.model_dump(mode="json"), *_dumped(source.base_source)]


def _loaded(dumped: list[Any]) -> Source | None:
    if not dumped:
        return None
    source, base = Source.model_validate(dumped[0]), _loaded(dumped[1:])
    return source if base is None else source.with_base(base)


def main() -> None:
    """Read an order from the standard input, and export the model into the folder of the first argument."""
    # Of an exporter that succeeds, the log would only repeat its steps.
    logging.basicConfig(level=logging.ERROR)
    given = json.load(sys.stdin)
    base, vae = (_loaded(given.pop(name)) for name in ("base", "vae"))
    model = Model.model_validate(given.pop("model")).with_parts(base, vae)
    order = ExportOrder(model, Path(given.pop("folder")), **given)
    torch.set_num_threads(order.num_threads)
    export_model(order, Loaders()[model.family], Path(sys.argv[1]))


if __name__ == "__main__":
    main()
