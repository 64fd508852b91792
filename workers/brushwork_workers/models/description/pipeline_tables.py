"""The tables in which diffusers pairs pipeline classes of one architecture, one table for each kind.

They are read from the source of diffusers: importing them imports every pipeline, which takes ten seconds.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_MODULE = "diffusers.pipelines.auto_pipeline"
_TABLES = {
    "text-to-image": "AUTO_TEXT2IMAGE_PIPELINES_MAPPING",
    "image-to-image": "AUTO_IMAGE2IMAGE_PIPELINES_MAPPING",
    "inpainting": "AUTO_INPAINT_PIPELINES_MAPPING",
    "text-to-video": "AUTO_TEXT2VIDEO_PIPELINES_MAPPING",
    "image-to-video": "AUTO_IMAGE2VIDEO_PIPELINES_MAPPING",
}


@cache
def class_names_by_kind() -> Mapping[str, Mapping[str, str]]:
    """Return for each kind the names of its pipeline classes, by the name of their architecture."""
    found = find_spec(_MODULE)
    if found is None or found.origin is None:
        return {kind: {} for kind in _TABLES}
    pairs = list(_pairs(ast.parse(Path(found.origin).read_text("utf-8"))))
    return {
        kind: {architecture: name for own, architecture, name in pairs if own == table}
        for kind, table in _TABLES.items()
    }


def paired(class_name: str, kind: str) -> str | None:
    """Return the class that serves a kind with the components of another class; None if there is none.

    Args:
        class_name: Name of the class that a model names.
        kind: Name of the kind.
    """
    tables = class_names_by_kind()
    architectures = [
        architecture
        for table in tables.values()
        for architecture, name in table.items()
        if name == class_name
    ]
    return next((tables[kind][each] for each in architectures if each in tables[kind]), None)


def _pairs(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Yield table, architecture and class name of each entry of the tables."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        target, value = node.targets[0], node.value
        if isinstance(target, ast.Name):
            for entry in ast.walk(value):
                if isinstance(entry, ast.Tuple) and len(entry.elts) == 2:
                    yield from _pair(target.id, *entry.elts)
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            yield from _pair(target.value.id, target.slice, value)


def _pair(table: str, architecture: ast.expr, found: ast.expr) -> Iterator[tuple[str, str, str]]:
    if isinstance(architecture, ast.Constant) and isinstance(found, ast.Name):
        yield table, str(architecture.value), found.id
