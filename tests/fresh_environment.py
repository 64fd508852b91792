"""Fresh environments with the wheels of some projects, and nothing of this checkout.

All other packages are those of the environment that runs the tests.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


class CommandFailed(AssertionError):
    """A command ended with an error; the message holds its output."""


@dataclass(frozen=True)
class Environment:
    """An environment.

    Args:
        folder: Its folder.
    """

    folder: Path

    @property
    def python(self) -> str:
        """The interpreter."""
        return str(self.folder / "bin" / "python")

    @classmethod
    def made(cls, folder: Path, *projects: Path) -> "Environment":
        """Build the wheels of these projects and install them.

        Args:
            folder: Where wheels and environment go.
            *projects: Folders that hold a `pyproject.toml`.
        """
        wheels = [_wheel(project, folder / "wheels") for project in projects]
        made = cls(folder / "environment")
        _run(sys.executable, "-m", "venv", "--without-pip", str(made.folder))
        (packages,) = made.folder.glob("lib/python*/site-packages")
        # Folders in a .pth file are searched, but their own .pth files are not read: so not this checkout.
        borrowed = [path for path in sys.path if Path(path).name == "site-packages"]
        (packages / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
        options = ("install", "--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
        _run(sys.executable, "-m", "pip", "--python", made.python, *options, *map(str, wheels))
        _expect_requirements(made.python, wheels)
        return made

    def run(self, *arguments: str, cwd: Path | None = None, **environment: str) -> str:
        """Run the interpreter with these arguments and return its output.

        Args:
            *arguments: Arguments of the interpreter.
            cwd: Working directory; by default the folder of the environment, outside of the checkout.
            **environment: Environment variables that are added.
        """
        return _run(self.python, *arguments, cwd=cwd or self.folder, environment=environment)


# Earlier versions may need packages that this checkout no longer has.
_MISSING = """
import importlib.metadata as installed
import sys
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
here = {canonicalize_name(each.name) for each in installed.distributions()}
for project in sys.argv[1:]:
    for needed in map(Requirement, installed.requires(project) or ()):
        applies = needed.marker is None or needed.marker.evaluate({"extra": ""})
        if applies and canonicalize_name(needed.name) not in here:
            print(f"{project} needs {needed.name}")
"""


def _expect_requirements(python: str, wheels: list[Path]) -> None:
    projects = [wheel.name.split("-")[0] for wheel in wheels]
    missing = _run(python, "-c", _MISSING, *projects).splitlines()
    if missing:
        raise CommandFailed(f"{'; '.join(missing)}: add what is missing to the extra `dev`")


def _wheel(project: Path, folder: Path) -> Path:
    before = set(folder.glob("*.whl"))
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=project)
    (built,) = set(folder.glob("*.whl")) - before
    return built


def _run(*command: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BRUSHWORK_", "CELERY_", "PYTHONPATH"))
    }
    done = subprocess.run(
        command, cwd=cwd, env={**plain, **(environment or {})}, capture_output=True, text=True, timeout=900
    )
    if done.returncode:
        raise CommandFailed(f"{command}: {done.stdout}\n{done.stderr}")
    return done.stdout
