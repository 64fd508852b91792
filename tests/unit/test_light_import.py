"""`import brushwork` is for web applications: it loads nothing of what a GPU machine needs."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

HEAVY = {"torch", "torchvision", "transformers", "diffusers", "accelerate", "numpy", "safetensors"}
PROGRAM = """
import importlib.abc, sys
class OnlyRequired(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in FORBIDDEN:
            raise ModuleNotFoundError(f"{name} does not come with brushwork", name=name)
FORBIDDEN = set(sys.argv[1:])
sys.meta_path.insert(0, OnlyRequired())
before = set(sys.modules)
import brushwork
print(*(set(sys.modules) - before))
"""


ALL_MODULES = """
import importlib, pkgutil, sys
before = set(sys.modules)
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
print(*(set(sys.modules) - before))
"""


def loaded_by_all_modules_of(package: str) -> set[str]:
    """Modules that a fresh interpreter loads when it imports every module of a package."""
    command = [sys.executable, "-c", ALL_MODULES, package]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


def loaded(forbidden: set[str]) -> set[str]:
    """Top-level modules that the import adds to a fresh interpreter which can't find the forbidden ones."""
    command = [sys.executable, "-c", PROGRAM, *sorted(forbidden)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert ran.returncode == 0, ran.stderr
    return {name.split(".")[0] for name in ran.stdout.split()}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required() -> set[str]:
    """The distributions that `pip install brushwork` brings, and all that those bring."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    found = {"brushwork"}
    waiting: list[str] = list(project["dependencies"])
    while waiting:
        line = waiting.pop()
        name = normal(re.split(r"[\s\[<>=!~;(]", line)[0])
        # An extra that ours does not ask for brings nothing.
        if name not in found and ("extra ==" not in line or "redis" in line):
            found.add(name)
            waiting += brought_by(name)
    return found


def brought_by(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        # Asked for on another platform or Python only.
        return []


def test_nothing_heavy_is_loaded() -> None:
    modules = loaded(set())
    assert "brushwork" in modules
    # The last two wait until a client is opened, which needs only one of them.
    others = {"brushwork_workers", "fastapi", "flower", "httpx", "celery"}
    assert modules & (HEAVY | others) == set()


def test_what_comes_with_the_package_is_enough() -> None:
    ours = required()
    others = {
        module
        for module, owners in packages_distributions().items()
        if ours.isdisjoint(map(normal, owners)) and module not in sys.stdlib_module_names
    }
    assert others >= HEAVY
    assert "brushwork" in loaded(others)


def test_the_schemas_load_no_storage_and_no_queue() -> None:
    modules = loaded_by_all_modules_of("brushwork_schemas")
    assert {"brushwork_schemas.admission", "brushwork_schemas.kinds.registry"} <= modules
    storage = {
        "sqlalchemy",
        "redis",
        "PIL",
        "celery",
        "kombu",
        "psutil",
        "obstore",
        "httpx",
        "brushwork_core",
    }
    assert {module.split(".")[0] for module in modules} & (HEAVY | storage) == set()
