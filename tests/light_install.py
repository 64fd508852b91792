"""`python -m tests.light_install`: `pip install .` without extras, in a fresh environment, stays small.

It counts the packages and their bytes, and then uses what was installed: the command line, the fake client,
and a direct client on SQLite. It needs a package index: if it reaches none, it prints that it was skipped.
"""

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_PACKAGES = 55
MOST_BYTES = 180_000_000
# What a fresh environment has before anything is installed.
INSTALLERS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")
UNREACHABLE = (
    *(
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeoutError",
        "Max retries exceeded",
        "ProxyError",
    ),
    *("Temporary failure in name resolution", "Network is unreachable"),
)
USE = """
import sys
from brushwork import Client
from brushwork.testing import FakeClient

assert FakeClient(auto=True).submit("text-to-image", prompt="a red circle").state == "succeeded"
with Client() as client:
    job = client.submit("text-to-image", prompt="a red circle")
    assert client.get(job.id).state == "queued"
heavy = {"torch", "numpy", "diffusers", "transformers", "fastapi"} & set(sys.modules)
assert not heavy, heavy
"""


class IndexUnreachable(Exception):
    """No package index answers."""


@dataclass(frozen=True)
class Installed:
    """What an installation has brought.

    Args:
        packages: Names of the distributions, brushwork's among them.
        sizes: Bytes of each entry of site-packages.
    """

    packages: tuple[str, ...]
    sizes: dict[str, int]

    @property
    def size_bytes(self) -> int:
        """Bytes of all entries."""
        return sum(self.sizes.values())

    def problems(self) -> Iterator[str]:
        """Each limit that is exceeded."""
        if len(self.packages) > MOST_PACKAGES:
            yield f"{len(self.packages)} packages, more than {MOST_PACKAGES}: {', '.join(self.packages)}"
        if self.size_bytes > MOST_BYTES:
            yield f"{self.size_bytes / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:.0f}"


def install(folder: Path) -> Path:
    """Install the checkout into a new environment in `folder`, and return the environment's Python.

    Raises:
        IndexUnreachable: No package index answers.
    """
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet", str(ROOT)]
    ran = subprocess.run(pip, capture_output=True, text=True, check=False, cwd=folder)
    if ran.returncode and any(words in ran.stdout + ran.stderr for words in UNREACHABLE):
        raise IndexUnreachable
    if ran.returncode:
        raise SystemExit(f"pip install . failed:\n{ran.stdout}{ran.stderr}")
    return python


def installed(folder: Path) -> Installed:
    """Measure the environment in `folder`; what installs packages does not count."""
    (site,) = folder.glob("lib/python*/site-packages")
    entries = [entry for entry in site.iterdir() if not entry.name.startswith(INSTALLERS)]
    packages = sorted(
        entry.name.removesuffix(".dist-info") for entry in entries if entry.suffix == ".dist-info"
    )
    return Installed(tuple(packages), {entry.name: _size_bytes(entry) for entry in entries})


def use(python: Path) -> None:
    """Use the installed command line and clients."""
    folder = python.parents[1]
    environment = {
        "PATH": os.environ["PATH"],
        "BRUSHWORK_DATABASE_URL": f"sqlite:///{folder}/ledger.sqlite3",
        "BRUSHWORK_ARTIFACTS_URL": f"{folder}/artifacts",
        # Nothing listens on this port: a job is stored all the same.
        "BRUSHWORK_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    for command in (
        [python.with_name("brushwork"), "migrate"],
        [python, "-W", "error", "-c", USE],
        [python.with_name("brushwork"), "jobs"],
    ):
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=folder, env=environment
        )
        if ran.returncode:
            raise SystemExit(f"light install: FAILED, {command[1:]}:\n{ran.stdout}{ran.stderr}")


def _size_bytes(entry: Path) -> int:
    files = entry.rglob("*") if entry.is_dir() else (entry,)
    return sum(file.lstat().st_size for file in files if file.is_file())


def main() -> int:
    """Install, measure, use; print what was found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "venv"
        try:
            python = install(folder)
        except IndexUnreachable:
            print("light install: SKIPPED, no package index can be reached")
            return 0
        found = installed(folder)
        print(f"light install: {len(found.packages)} packages, {found.size_bytes / 1e6:.1f} MB")
        largest = sorted(found.sizes.items(), key=lambda entry: -entry[1])[:5]
        print("largest: " + ", ".join(f"{entry} {size / 1e6:.1f} MB" for entry, size in largest))
        use(python)
    problems = list(found.problems())
    for problem in problems:
        print(f"light install: FAILED, {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
