"""Names: those that the redesign replaced, and classes that are defined twice."""

import ast
import io
import tokenize
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.structure.rooms import LAYERS

OLD_NAMES = Path(__file__).with_name("old_names.toml")
SEARCHED = (*LAYERS, "recipes")


def old_names(checkout: Path) -> Iterator[str]:
    """Yield each use of an old name as `file:line name`."""
    listed = tomllib.loads(OLD_NAMES.read_text("utf-8"))
    imported = {
        (module, name): file
        for file in _files(checkout)
        for module, name in _imports(ast.parse(file.read_text()))
    }
    for module, old, _ in listed["names"]:
        file = _file_of(checkout, module)
        if file is None:
            # The module has gone since, and its names with it.
            continue
        yield from _uses(checkout, file, {old})
        if (module, old) in imported:
            yield f"{imported[module, old].relative_to(checkout)}: imports {old} of {module}"
    for folder, names in listed["variables"].items():
        place = checkout / folder
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            yield from _uses(checkout, file, set(names))


def repeated_classes(checkout: Path) -> Mapping[str, Sequence[Path]]:
    """Return the classes that are defined in more than one place, by name."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in _files(checkout):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(file.relative_to(checkout))
    return {name: files for name, files in sorted(found.items()) if len(files) > 1}


def _files(checkout: Path) -> Iterator[Path]:
    for layer in SEARCHED:
        yield from sorted((checkout / layer).rglob("*.py"))


def _file_of(checkout: Path, module: str) -> Path | None:
    folders = {package: folder for folder, package in LAYERS.items()}
    top = module.split(".")[0]
    path = checkout.joinpath(folders.get(top, ""), *module.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


def _uses(checkout: Path, file: Path, names: set[str]) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(file.read_text("utf-8")).readline):
        # `from a.calls import b` names a module, which is no variable.
        is_module = token.line.startswith("from ") and token.line[: token.start[1]].endswith(".")
        if token.type == tokenize.NAME and token.string in names and not is_module:
            yield f"{file.relative_to(checkout)}:{token.start[0]} {token.string}"


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
