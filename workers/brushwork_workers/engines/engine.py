"""The interface of an engine, and how each one is opened."""

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.wording.phrase import said
from torch import Tensor

# The packages that each engine needs; the exporter needs the last two.
PACKAGES = {
    "onnxruntime": ("onnxruntime", "onnx", "onnxscript"),
    "openvino": ("openvino", "onnx", "onnxscript"),
}
_CLASSES = {
    "onnxruntime": "brushwork_workers.engines.onnxruntime_engine:OnnxruntimeEngine",
    "openvino": "brushwork_workers.engines.openvino_engine:OpenvinoEngine",
}


class Engine(Protocol):
    """One exported module, ready to run. It is called by one thread at a time."""

    def run(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Run the module.

        Args:
            tensors: Its arguments, in the order of `ModuleArguments.tensors`; on the CPU.

        Returns:
            The tensors of its answer, in their order.
        """
        ...


def open_engine(name: str, file: Path, precision: str, num_threads: int) -> Engine:
    """Open an exported module.

    Args:
        name: `onnxruntime` or `openvino`.
        file: The module in ONNX format.
        precision: Number format to compute in.
        num_threads: Number of CPU threads to compute with.
    """
    module, _, class_name = _CLASSES[name].partition(":")
    engine: Engine = getattr(import_module(module), class_name)(file, precision, num_threads)
    return engine


def check_installed(model: Model) -> None:
    """Check that the packages of the engine of an entry are installed.

    Raises:
        ModelUnavailable: One of them is missing.
    """
    missing = [package for package in PACKAGES.get(model.engine, ()) if find_spec(package) is None]
    if missing:
        raise ModelUnavailable(
            said(
                "Model {model}: engine = {engine!r} needs {missing}, which is not installed.",
                model=model.name,
                engine=model.engine,
                missing=missing,
            ),
            field="engine",
            hint=said("Run: pip install 'brushwork[{engine}]'", engine=model.engine),
        )


def engine_versions(engine: str) -> dict[str, str]:
    """Return the versions of the packages of an engine, by name."""
    found = {}
    for package in PACKAGES.get(engine, ()):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
