"""What an export has written about the modules of a model: the manifest of its folder."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

MANIFEST = "manifest.json"
REFUSALS = "refusals.json"
WEIGHTS = "weights"


@dataclass(frozen=True)
class ExportedModule:
    """A module that was exported, or why it was not.

    Args:
        name: Name of the module within its model, such as `unet` or `vae.decoder`.
        form: The form of its arguments; see `ModuleArguments`.
        file: Name of its ONNX file in the folder; empty if torch has to run the module.
        value_format: The number format of its values, such as `float32`.
        difference: The difference to torch on the documented input, if they were compared.
        reason: Why torch has to run the module; empty if the engine can.
    """

    name: str
    form: str = ""
    file: str = ""
    value_format: str = "float32"
    difference: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class ExportedModel:
    """The modules of a model for one engine, in a folder of the cache.

    Args:
        engine: Name of the engine.
        precision: Number format that the engine computes in.
        modules: The modules.
        note: Why the precision is not the one that the catalogue entry requests; empty if it is.
    """

    engine: str
    precision: str
    modules: tuple[ExportedModule, ...] = field(default_factory=tuple)
    note: str = ""

    @classmethod
    def read(cls, folder: Path) -> "ExportedModel":
        """Read the manifest of a folder.

        Raises:
            OSError: There is none.
            ValueError: It cannot be read.
        """
        content = json.loads((folder / MANIFEST).read_text("utf-8"))
        try:
            modules = tuple(ExportedModule(**module) for module in content.pop("modules"))
            return cls(modules=modules, **content)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(str(error)) from error

    def write(self, folder: Path) -> None:
        """Write the manifest of a folder."""
        written = folder / f"{MANIFEST}.{os.getpid()}"
        written.write_text(json.dumps(asdict(self), indent=1), "utf-8")
        written.replace(folder / MANIFEST)

    @staticmethod
    def refusals(folder: Path) -> dict[str, str]:
        """Return why torch ran calls of modules that were exported, by module. Workers write it."""
        try:
            content = json.loads((folder / REFUSALS).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    @staticmethod
    def refuse(folder: Path, module: str, reason: str) -> None:
        """Record why torch ran a call of a module that was exported."""
        # Nothing depends on it: it is shown by `brushwork models engines`.
        with suppress(OSError):
            written = folder / f"{REFUSALS}.{os.getpid()}"
            written.write_text(json.dumps({**ExportedModel.refusals(folder), module: reason}), "utf-8")
            written.replace(folder / REFUSALS)

    def summary(self) -> str:
        """Return what runs the modules, in one line."""
        served = [module.name for module in self.modules if not module.reason]
        refused = [f"{module.name}: torch ({module.reason})" for module in self.modules if module.reason]
        ran = f"{self.engine} {self.precision}: {', '.join(served) or 'no module'}"
        return "; ".join(filter(None, [ran, *refused, self.note]))
