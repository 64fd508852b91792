"""Catalogue entries with an engine, for the benchmarks that compare engines."""

import tomllib
from pathlib import Path
from typing import Any

import tomlkit
from brushwork_schemas.catalogue.catalogue import PACKAGED

TORCH = "torch"
ENGINE_HELP = "engine of brushwork: torch, onnxruntime, openvino, or openvino:bfloat16; the peers use torch"


def save_with_engine(model: str, engine: str, file: Path, catalogue: Path = PACKAGED) -> Path:
    """Write a catalogue that has one entry, with an engine.

    Args:
        model: Name of the entry.
        engine: `torch`, `onnxruntime` or `openvino`; with a number format after a colon: `openvino:bfloat16`.
        file: The catalogue to write.
        catalogue: The catalogue that has the entry.

    Returns:
        `file`.
    """
    entry: dict[str, Any] = tomllib.loads(catalogue.read_text("utf-8"))["models"][model]
    name, _, precision = engine.partition(":")
    entry |= {"engine": name, "engine_precision": precision or "float32"}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(tomlkit.dumps({"models": {model: entry}}), "utf-8")
    return file
