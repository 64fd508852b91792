"""A copy of the repository in a temporary folder. Faults go into the copy; the checkout is never changed."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.mutants.faults import Fault, mutated

# Not needed by any test, or made by other commands: in every folder, and at the top alone.
LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
LEFT_OUT_AT_THE_TOP = {".git", ".venv", "build", "dist", "demo", "runs", "data", "brushwork-data"}


class CopiedTree:
    """A copy of the tree.

    Args:
        root: The folder of the copy.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
        packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        self.packages = tuple(Path(package) for package in packages)

    @classmethod
    @contextmanager
    def of(cls, source: Path) -> Iterator[Self]:
        """A copy of the tree at `source`, removed at the end."""
        with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
            root = Path(folder).resolve() / "tree"
            shutil.copytree(source, root, ignore=_left_out_of(source), symlinks=True)
            yield cls(root)

    @property
    def environment(self) -> dict[str, str]:
        """For a process that imports the packages of the copy, as do the processes that it starts."""
        folders = dict.fromkeys(str((self.root / package).parent) for package in self.packages)
        return {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}

    def check_imports(self) -> None:
        """Import each package in a new process.

        Raises:
            RuntimeError: One comes from elsewhere, so that a fault in the copy would have no effect.
        """
        names = [package.name for package in self.packages]
        lines = (
            "import importlib, sys\nfor name in sys.argv[1:]: print(importlib.import_module(name).__file__)"
        )
        found = subprocess.run(
            [sys.executable, "-c", lines, *names],
            cwd=self.root, env=self.environment, capture_output=True, text=True,
        )  # fmt: skip
        files = [Path(line).resolve() for line in found.stdout.splitlines()]
        if found.returncode or not all(file.is_relative_to(self.root) for file in files):
            raise RuntimeError(f"the packages are not those of the copy: {found.stdout}{found.stderr}")

    @contextmanager
    def changed(self, fault: Fault) -> Iterator[None]:
        """Inside, the copy has this fault."""
        file = self.root / fault.file
        before = file.read_text("utf-8")
        try:
            _write(file, mutated(fault, before))
            yield
        finally:
            _write(file, before)


def _left_out_of(source: Path) -> Callable[[str, list[str]], set[str]]:
    def left_out(folder: str, names: list[str]) -> set[str]:
        return LEFT_OUT | LEFT_OUT_AT_THE_TOP if Path(folder) == source else LEFT_OUT

    return left_out


def _write(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    # Python knows stale bytecode by second and size, and a fault may change neither.
    Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)
