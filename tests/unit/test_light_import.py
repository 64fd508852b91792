"""`import brushwork` is for web applications: it loads nothing of what a GPU machine or a database needs."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

HEAVY = {"torch", "torchvision", "transformers", "diffusers", "accelerate", "numpy", "safetensors"}
# What only a direct client, a gateway or a worker needs.
OF_SERVERS = {
    *("alembic", "celery", "fastapi", "flower", "kombu", "obstore", "PIL", "prometheus_client", "psutil"),
    *("redis", "rich", "sqlalchemy", "ssrfguard", "typer"),
}
# What a client needs that uses a gateway. `Settings` is of pydantic-settings.
BY_HTTP = ("httpx", "pydantic", "pydantic-settings")
IMPORT = """
import importlib.abc, sys
class OnlyRequired(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        parts = name.split(".")
        if {".".join(parts[:number]) for number in range(1, len(parts) + 1)} & FORBIDDEN:
            raise ModuleNotFoundError(f"{name} does not come with brushwork", name=name)
FORBIDDEN = set(sys.argv[1:])
sys.meta_path.insert(0, OnlyRequired())
before = set(sys.modules)
import brushwork
"""
SHOW_LOADED = "print(*(set(sys.modules) - before))"
# A gateway of the standard library, and all methods of both clients.
USE_BY_HTTP = """
import asyncio, json, pathlib, tempfile, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

JOB = {"id": "x", "kind": "text-to-image", "model": "m", "label": "l", "state": "succeeded",
       "request": {}, "created_at": "2026-11-21T09:00:00Z", "outlook": None, "links": {}}
FILE = {"sha256": "0" * 64, "media_type": "image/png", "size_bytes": 1}
REPORT = {**FILE, "width": 1, "height": 1, "made_here": False, "credentials": {"state": "none"}, "labels": {}}
ANSWERS = {"jobs:batch": {"jobs": [JOB, JOB]}, "cancel": {"job": JOB}, "files": FILE, "jobs": JOB,
           "retry": JOB, "x": JOB, "models": {"models": []}, "kinds": {"kinds": []},
           "workers": {"workers": []}, "queues": {"queues": []}, "0" * 64: FILE, "provenance": REPORT}

class Gateway(BaseHTTPRequestHandler):
    def do_GET(self):
        size = int(self.headers.get("Content-Length") or 0)
        while size:
            size -= len(self.rfile.read(min(size, 65536)))
        last = self.path.split("?")[0].rsplit("/", 1)[-1]
        if last == "preview":
            self.send_response(204)
            return self.end_headers()
        found = {"jobs": []} if (self.command, last) == ("GET", "jobs") else ANSWERS[last]
        content = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    do_POST = do_DELETE = do_GET
    def log_message(self, *words):
        pass

server = HTTPServer(("127.0.0.1", 0), Gateway)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"
png = b"\\x89PNG picture"
folder = pathlib.Path(tempfile.mkdtemp())
(folder / "cat").mkdir()
(folder / "cat" / "1.png").write_bytes(png)
CALLS = [
    ("submit", ("image-to-text",), {"image": png}),
    ("submit", ("image-to-text",), {"image": folder / "cat" / "1.png"}),
    ("submit", ("image-classification-training",), {"dataset": folder}),
    ("submit_many", ([{"kind": "image-to-text", "image": png}] * 2,), {}), ("retry", ("x",), {"image": png}),
    ("get", ("x",), {}), ("list", (), {"state": "failed"}), ("look", ("x",), {}), ("preview", ("x",), {}),
    ("wait", ("x",), {}), ("cancel", ("x",), {}), ("outlook", ("x",), {}), ("upload", (png,), {}),
    ("artifact_bytes", ("0" * 64,), {}), ("models", (), {}), ("kinds", (), {}), ("workers", (), {}),
    ("queues", (), {}), ("run", ("image-to-text",), {"image": png}), ("wait_all", (["x", "x"],), {}),
    ("events", ("x",), {}), ("delete", ("x",), {}), ("provenance", (png,), {}),
]
public = {name for name in dir(brushwork.Client) if not name.startswith("_")} - {"close"}
assert public == {name for name, _, _ in CALLS}, public

with brushwork.Client(address) as client:
    for name, arguments, options in CALLS:
        answer = getattr(client, name)(*arguments, **options)
        if name == "events":
            assert [event.state for event in answer] == ["succeeded"]

async def main():
    async with brushwork.AsyncClient(address) as client:
        for name, arguments, options in CALLS:
            answer = getattr(client, name)(*arguments, **options)
            if name == "events":
                assert [event.state async for event in answer] == ["succeeded"]
            else:
                await answer

asyncio.run(main())
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


def loaded(forbidden: Iterable[str], program: str = "") -> set[str]:
    """Modules that the import adds to a fresh interpreter, which can't find the forbidden ones.

    Args:
        forbidden: Names of packages and modules.
        program: Runs after the import.
    """
    command = [sys.executable, "-c", IMPORT + program + SHOW_LOADED, *sorted(forbidden)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


def tops(modules: set[str]) -> set[str]:
    return {name.split(".")[0] for name in modules}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(names: Iterable[str]) -> set[str]:
    """The distributions of these names, and all that they require."""
    found: set[str] = {"brushwork"}
    waiting = list(names)
    while waiting:
        line = waiting.pop()
        name = normal(re.split(r"[\s\[<>=!~;(]", line)[0])
        # An extra that ours does not ask for brings nothing.
        if name not in found and ("extra ==" not in line or "redis" in line):
            found.add(name)
            waiting += required_by(name)
    return found


def required_by(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        # Required on another platform or Python only.
        return []


def modules_of_others(ours: set[str]) -> set[str]:
    """The installed top-level modules that belong to none of these distributions."""
    return {
        module
        for module, owners in packages_distributions().items()
        if ours.isdisjoint(map(normal, owners)) and module not in sys.stdlib_module_names
    }


def test_the_import_loads_nothing_heavy_and_nothing_of_servers() -> None:
    modules = loaded(set())
    assert "brushwork" in modules
    # A client loads httpx when it is opened, and only if it uses a gateway.
    assert tops(modules) & (HEAVY | OF_SERVERS | {"brushwork_workers", "httpx"}) == set()
    assert {name for name in modules if name.startswith("brushwork_core.")} <= {
        name for name in modules if name.startswith("brushwork_core.settings")
    }


def test_what_comes_with_the_package_is_enough() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    others = modules_of_others(required(project["dependencies"]))
    assert others >= HEAVY
    assert "brushwork" in loaded(others)


def test_a_client_by_http_needs_the_schemas_pydantic_and_httpx_alone() -> None:
    others = modules_of_others(required(BY_HTTP))
    assert others >= HEAVY | OF_SERVERS - {"flower"}
    core = Path(__file__).parents[2] / "core" / "brushwork_core"
    rooms = {f"brushwork_core.{room.name}" for room in core.iterdir() if room.is_dir()}
    modules = loaded(others | rooms - {"brushwork_core.settings"}, USE_BY_HTTP)
    assert "httpx" in modules
    assert "brushwork.transports.direct" not in modules


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
    assert tops(modules) & (HEAVY | storage) == set()
