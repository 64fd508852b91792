"""The generators: where `make generators` puts them, and how they are called."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
ENVIRONMENT = HERE / ".venv" / "bin"
# Of one generator or program; a busy machine needs a third of it.
BOUND_S = 180


def require(tool: Path) -> None:
    """Leave out a test whose generator is not installed. The report of the tests lists it.

    Args:
        tool: A file of the generator.
    """
    if tool.exists():
        return
    pytest.skip(f"{tool.relative_to(HERE)} is not there: make generators")


def called(*command: str | Path, folder: Path, **environment: str) -> str:
    """What a program says that ends well.

    Args:
        command: The program and its arguments.
        folder: Where it runs.
        environment: More variables.
    """
    path = os.pathsep.join((str(ENVIRONMENT), os.environ.get("PATH", "")))
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def typescript_program(document: Path, folder: Path) -> Path:
    """The program of client.ts, compiled with `tsc --strict` against types that are made of the document."""
    for name in ("client.ts", "tsconfig.json", "package.json"):
        (folder / name).write_text((HERE / name).read_text("utf-8"), "utf-8")
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "build").mkdir()
    called(MODULES / ".bin/openapi-typescript", document, "-o", "build/schema.d.ts", folder=folder)
    called(MODULES / ".bin/tsc", "--project", ".", folder=folder)
    return folder / "build" / "client.js"


def python_package(document: Path, folder: Path) -> str:
    """Make the package `brushwork_api` of the document in the folder, and return what the generator says."""
    generate = ("generate", "--path", document, "--output-path", folder / "brushwork_api", "--meta", "none")
    return called(ENVIRONMENT / "openapi-python-client", *generate, folder=folder)


def python_types(folder: Path) -> str:
    """Check client.py against the package in the folder, with `mypy --strict`."""
    options = ("--strict", "--no-incremental", "--config-file=", f"--python-executable={ENVIRONMENT}/python")
    return called(
        *(sys.executable, "-m", "mypy", *options, "--follow-imports=silent", HERE / "client.py"),
        folder=folder,
        MYPYPATH=str(folder),
    )
