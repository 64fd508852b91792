"""The services that the compose file prints run, in their containers, and serve every kind."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.deployment.compose_file import TOP
from tests.deployment.every_kind import LOCAL_KINDS
from tests.deployment.namespace import missing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    if reason := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    ended = subprocess.run(
        [sys.executable, "-m", "tests.deployment.quick"], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    read: dict[str, Any] = json.loads(ended.stdout)
    return read


def test_every_kind_is_served_on_a_read_only_root(found: dict[str, Any]) -> None:
    good = ["succeeded", "", []]
    assert found["jobs"] == dict.fromkeys((*LOCAL_KINDS, "trained"), good)


def test_a_trained_model_is_copied_into_the_cache(found: dict[str, Any]) -> None:
    assert {path.split("/")[0] for path in found["cache"]} == {"trained"}, found["cache"]
    assert {path.rsplit("/", 1)[-1] for path in found["cache"]} == {"config.json", "model.safetensors"}
    assert found["models"] == []


def test_a_container_writes_to_its_volumes_and_to_memory_alone(found: dict[str, Any]) -> None:
    usual = ["/artifacts", "/tmp"]  # noqa: S108
    assert found["writable"] == {
        "worker": ["/artifacts", "/cache", "/tmp"],  # noqa: S108
        "gateway": usual, "webhooks": ["/tmp"], "prune": usual, "flower": ["/tmp"],  # noqa: S108
    }  # fmt: skip


def test_postgresql_knows_who_is_connected(found: dict[str, Any]) -> None:
    kinds = {" ".join(name.split()[:2]) for name in found["names"] if name.startswith("brushwork")}
    # The worker that leads hears notifications through a connection of its own.
    assert kinds == {"brushwork worker", "brushwork listener", "brushwork gateway", "brushwork webhooks"}


def test_all_end_when_they_are_asked_to(found: dict[str, Any]) -> None:
    # A service whose first process does not see the signal would be killed after its grace time: -9.
    ours = ("worker", "gateway", "webhooks", "prune", "flower")
    assert found["stopped"] == dict.fromkeys((*ours, "redis", "postgres"), 0)
