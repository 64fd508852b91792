"""The files that others install and run by: the compose file and the pinned versions."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from brushwork_schemas.kinds.registry import all_kinds
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((TOP / "docker-compose.yml").read_text("utf-8"))[
        "services"
    ]
    return found


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (TOP / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.fixture(scope="module")
def workers(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: service for name, service in services.items() if service.get("command", [""])[0] == "worker"
    }


@pytest.mark.parametrize("kind", all_kinds())
def test_every_kind_has_one_worker_with_a_gpu(workers: dict[str, dict[str, Any]], kind: str) -> None:
    [worker] = [worker for worker in workers.values() if kind in worker["command"][4].split(",")]
    assert worker["command"][3] == "--kinds"
    [device] = worker["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_a_restarted_worker_has_the_name_of_before_and_replicas_have_their_own(
    workers: dict[str, dict[str, Any]],
) -> None:
    # Of the two halves of a name the first is the service's, the other the container's, unless one is given.
    assert {name: worker["command"][:3] for name, worker in workers.items()} == {
        name: ["worker", "--name", name] for name in workers
    }
    assert not [name for name, worker in workers.items() if {"hostname", "container_name"} & worker.keys()]


def test_ports_are_open_on_loopback_only(services: dict[str, dict[str, Any]]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_all_but_the_migration_are_watched_and_restarted(services: dict[str, dict[str, Any]]) -> None:
    lasting = {name: service for name, service in services.items() if name not in ("migration", "models")}
    assert all("healthcheck" in service for service in lasting.values())
    assert {service["restart"] for service in lasting.values()} == {"unless-stopped"}


def test_models_are_pulled_into_what_workers_read(
    services: dict[str, dict[str, Any]], workers: dict[str, dict[str, Any]]
) -> None:
    models = services["models"]
    assert models["profiles"], "it is started by hand alone"
    assert models["volumes"] == ["models:/models"]
    for worker in workers.values():
        assert "models:/models:ro" in worker["volumes"]
        same = "BRUSHWORK_MODEL_FILES"
        assert worker["environment"][same] == models["environment"][same]


def test_the_gateway_reaches_the_files_and_says_whether_it_lives(services: dict[str, dict[str, Any]]) -> None:
    gateway = services["gateway"]
    assert gateway["command"][:2] == ["gateway", "--host"]
    assert "artifacts:/artifacts" in gateway["volumes"]
    assert "/healthz" in gateway["healthcheck"]["test"][-1]
    assert "gateway" in (TOP / "producer" / "Dockerfile").read_text("utf-8").partition("pip install")[2]


def test_flower_wants_a_login_and_changes_nothing(services: dict[str, dict[str, Any]]) -> None:
    assert "--read-only" in services["flower"]["command"]
    assert "FLOWER_BASIC_AUTH" in services["flower"]["environment"]


def test_every_secret_of_the_compose_file_is_in_the_example() -> None:
    wanted = set(re.findall(r"\$\{(\w+):\?", (TOP / "docker-compose.yml").read_text("utf-8")))
    example = (TOP / ".env.example").read_text("utf-8")
    assert wanted
    assert [name for name in wanted if f"\n{name}=" not in example] == []


def test_pinned_versions_are_plain_and_allowed(pins: dict[str, str]) -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    lines = project["dependencies"] + [line for extra in extras for line in extra]
    requirements = [Requirement(line) for line in lines if not line.startswith("brushwork[")]
    assert [
        str(requirement)
        for requirement in requirements
        if not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0"))
    ] == []
