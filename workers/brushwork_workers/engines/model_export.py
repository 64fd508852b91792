"""Exports the modules of one model: loads it, records the calls of its warm-up, exports and compares."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from brushwork_schemas.catalogue import Model
from safetensors.torch import save_file
from torch import nn

from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.engines.comparison import TOLERANCES, difference, noised
from brushwork_workers.engines.engine import open_engine
from brushwork_workers.engines.exported_model import WEIGHTS, ExportedModel, ExportedModule
from brushwork_workers.engines.exporting import described, export, exportable, quantize
from brushwork_workers.engines.module_arguments import ModuleArguments, NotExportable, tensors_of
from brushwork_workers.interface import LoadedModules, Loader, LoadSpec


@dataclass(frozen=True)
class ExportOrder:
    """What is to be exported.

    Args:
        model: The catalogue entry, which names the engine.
        folder: The folder of its verified files.
        precision: Number format that the engine computes in.
        note: Why it is not the one that the entry requests; empty if it is.
        num_threads: Number of CPU threads to compute with.
    """

    model: Model
    folder: Path
    precision: str
    note: str = ""
    num_threads: int = 1


def export_model(order: ExportOrder, loader: Loader, target: Path) -> ExportedModel:
    """Export the modules of a model, and write them with a manifest.

    Args:
        order: What is to be exported.
        loader: The loader of the model's family.
        target: An empty folder.

    Returns:
        The manifest.
    """
    model = order.model
    spec = LoadSpec(model, order.folder, torch.device("cpu"), torch.float32, SerialExecutor(), model.kinds)
    loaded = loader(spec)
    modules = modules_of(loaded)
    with _recorded(modules) as calls:
        for handler in loaded.handlers.values():
            handler.warm_up()
    found = tuple(_exported(order, name, module, calls, target) for name, module in modules.items())
    manifest = ExportedModel(model.engine, order.precision, found, order.note)
    manifest.write(target)
    return manifest


def modules_of(loaded: LoadedModules) -> dict[str, nn.Module]:
    """Return the modules that an engine may run, by name: those that the loader names, or else all."""
    if loaded.engine_modules is not None:
        return dict(loaded.engine_modules)
    modules = list(loaded.modules)
    if len(modules) == 1:
        return {"network": modules[0]}
    return {f"network_{number}": module for number, module in enumerate(modules, start=1)}


@dataclass(frozen=True)
class _Recorded:
    """The first call of a module in a warm-up, or why it cannot be exported."""

    arguments: ModuleArguments | None
    reason: str = ""


@contextmanager
def _recorded(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, _Recorded]]:
    """Record the first call of each module inside the block."""
    calls: dict[str, _Recorded] = {}

    def recording(name: str) -> Any:
        def record(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if name not in calls:
                try:
                    calls[name] = _Recorded(ModuleArguments.of(args, kwargs))
                except NotExportable as error:
                    calls[name] = _Recorded(None, str(error))

        return record

    handles = [
        module.register_forward_pre_hook(recording(name), with_kwargs=True)
        for name, module in modules.items()
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _exported(
    order: ExportOrder, name: str, module: nn.Module, calls: Mapping[str, _Recorded], target: Path
) -> ExportedModule:
    recorded = calls.get(name, _Recorded(None, "the warm-up of the model does not call it"))
    if recorded.arguments is None:
        return ExportedModule(name, reason=recorded.reason)
    form, file = recorded.arguments.form, target / f"{name}.onnx"
    try:
        arguments = exportable(module, recorded.arguments)
        export(module, arguments, file)
        if order.precision == "int8":
            quantize(file)
        engine = open_engine(order.model.engine, file, order.precision, order.num_threads)
        distance = _distance(module, engine, arguments, order.precision)
    except NotExportable as error:
        return ExportedModule(name, form, reason=str(error))
    # Engines raise errors of many classes, and some of them only while they run.
    except Exception as error:
        return ExportedModule(name, form, reason=described(error))
    values = [
        tensor.dtype
        for tensor, kind in zip(arguments.tensors, arguments.kinds, strict=True)
        if kind == "value"
    ]
    value_format = str(values[0]).removeprefix("torch.") if values else "float32"
    if distance > TOLERANCES[order.precision]:
        reason = f"it differs from torch by {distance:.2g}, more than {TOLERANCES[order.precision]:g}"
        return ExportedModule(name, form, difference=distance, reason=reason)
    (target / WEIGHTS).mkdir(exist_ok=True)
    weights = {key: value.detach().contiguous().clone() for key, value in module.state_dict().items()}
    save_file(weights, target / WEIGHTS / f"{name}.safetensors")
    return ExportedModule(name, form, file.name, value_format, distance)


def _distance(module: nn.Module, engine: Any, arguments: ModuleArguments, precision: str) -> float:
    """Return the largest difference to torch: all rows together, and the first row alone."""
    given = noised(arguments)
    first = given.with_tensors(
        [
            tensor if kind == "same" else tensor[:1].contiguous()
            for tensor, kind in zip(given.tensors, given.kinds, strict=True)
        ]
    )
    with torch.no_grad():
        return max(
            difference(tensors_of(each.call(module)), engine.run(each.tensors), precision)
            for each in (given, first)
        )
