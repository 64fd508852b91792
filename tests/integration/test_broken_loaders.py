"""Families of a plug-in whose loaders are broken: a real worker lives on and serves its other models."""

import json
from typing import Any

import pytest
from brushwork_core.settings.settings import Settings

from tests.plugin_folders import run_with, write_distribution
from tests.servers import RedisServer
from tests.worker_process import WorkerProcess, environment

MODULE = """
import sys
from pathlib import Path
from brushwork_schemas.families.family import Family

LOADERS = {
    "no-module": "no_such_module:load",
    "no-function": "broken_module:no_such",
    "raises": "broken_module:boom",
    "exits": "broken_module:leave",
    "returns-none": "broken_module:nothing",
    "no-torch-module": "broken_module:texts",
    "no-handler": "broken_module:empty",
    "import-raises": "broken_import:load",
}
FAMILIES = tuple(
    Family(name=name, library="broken", kinds=("image-classification",), loader=loader)
    for name, loader in LOADERS.items()
)
CATALOGUE = Path(__file__).with_name("broken.toml")

def boom(spec):
    raise KeyError("layer.0")

def leave(spec):
    sys.exit("no licence")

def nothing(spec):
    return None

def texts(spec):
    from brushwork_workers.interface import LoadedModules
    return LoadedModules({}, ["a text"])

def empty(spec):
    from brushwork_workers.interface import LoadedModules
    return LoadedModules({})
"""
REASONS = {
    "no-module": "No module named 'no_such_module'",
    "no-function": "no_such",
    "raises": "KeyError",
    "exits": "SystemExit: no licence",
    "returns-none": "AttributeError",
    "no-torch-module": "AttributeError",
    "no-handler": "no handler for image-classification",
    "import-raises": "ZeroDivisionError",
}
ASK = """
import json, sys
from brushwork import Client
from PIL import Image
picture = Image.new("RGB", (64, 64), "red")
with Client() as client:
    kind = "image-classification"
    jobs = {name: client.submit(kind, image=picture, model=name).id for name in sys.argv[1:]}
    ended = {name: client.wait(id, timeout_s=120) for name, id in jobs.items()}
print(json.dumps({
    name: [job.state, job.attempt, job.error and job.error.model_dump()] for name, job in ended.items()
}))
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """State, attempt and error of a job for each model, one after the other."""
    folder = tmp_path_factory.mktemp("broken")
    points = {
        "families": "broken = broken_module:FAMILIES",
        "catalogues": "broken = broken_module:CATALOGUE",
    }
    write_distribution(folder, "broken", MODULE, **points)
    (folder / "broken_import.py").write_text("1 / 0")
    entry = '[models.{0}]\nfamily = "{0}"\nsource = {{ architecture = "x" }}\n'
    (folder / "broken.toml").write_text("".join(entry.format(name) for name in REASONS))
    redis = RedisServer(folder).start()
    names = [*REASONS, "pocket-classifier"]
    settings = Settings(
        redis_url=redis.url,
        database_url=f"sqlite:///{folder}/ledger.sqlite3",
        artifacts_url=str(folder / "artifacts"),
        models=",".join(names),
        device="cpu",
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(folder))
        for name, value in environment(settings).items():
            patched.setenv(name, value)
        run_with(folder, "from brushwork.cli import main; main(['migrate'])")
        worker = WorkerProcess(settings, "image-classification", folder / "worker.log", by_command=True)
        try:
            worker.wait_ready()
            found: dict[str, Any] = json.loads(run_with(folder, ASK, *names))
            found["alive"] = worker.process.poll() is None
        finally:
            worker.kill()
            redis.stop()
    found["log"] = (folder / "worker.log").read_text()
    return found


@pytest.mark.parametrize("name", REASONS)
def test_the_error_names_the_plugin(ended: dict[str, Any], name: str) -> None:
    state, attempt, error = ended[name]
    # The operator is at fault, so there is no second attempt.
    assert (state, attempt, error["code"], error["fault"]) == ("failed", 1, "model_unavailable", "operator")
    assert REASONS[name] in error["message"]
    assert "broken" in f"{error['message']} {error['hint']}".replace("broken_", "")
    assert name in error["message"]


def test_the_worker_lives_and_serves_other_models(ended: dict[str, Any]) -> None:
    assert ended["alive"]
    assert ended["pocket-classifier"][:2] == ["succeeded", 1]


def test_the_log_has_the_traceback(ended: dict[str, Any]) -> None:
    assert 'raise KeyError("layer.0")' in ended["log"]
