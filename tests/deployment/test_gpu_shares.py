"""The workers of the compose file never plan more of a GPU's memory than all models together may take."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from brushwork_workers.device.selection import model_budget

from tests.deployment.compose_file import Service, example_values, printed_services, write_env_file
from tests.stand_in_accelerator import StandInAccelerator

GPU_BYTES = 80 * 2**30
ALL_MODELS = 0.7
PASSWORDS = {name: "own" for name, value in example_values().items() if value == "change-me"}


@pytest.fixture(autouse=True)
def _one_gpu_in_each_container(monkeypatch: pytest.MonkeyPatch) -> None:
    # A container sees the GPUs that its service reserves, and each service reserves one.
    StandInAccelerator("cuda", count=1, total_bytes=GPU_BYTES).install(monkeypatch)


def _planned(services: Mapping[str, Service], profiles: set[str]) -> dict[str, float]:
    """Shares of each GPU that the models of its workers may take, added up."""
    planned: Counter[str] = Counter()
    for service in services.values():
        is_chosen = not service.profiles or profiles.intersection(service.profiles)
        if is_chosen and (service.command or ("",))[0] == "worker":
            [device] = service.printed["deploy"]["resources"]["reservations"]["devices"]
            workers_here = int(service.environment.get("BRUSHWORK_WORKERS_HERE", 1))
            [gpu] = device["device_ids"]
            planned[gpu] += model_budget(torch.device("cuda"), workers_here) / GPU_BYTES
    return dict(planned)


@pytest.mark.parametrize(
    ("values", "profiles", "gpus"),
    [
        ({}, set(), {"0"}),
        ({"WORKER_GPU": "3"}, set(), {"3"}),
        ({}, {"gpu1"}, {"0", "1"}),
        ({}, {"gpu1", "gpu2", "gpu3"}, {"0", "1", "2", "3"}),
        ({"WORKER_GPU": "4", "WORKER_2_GPU": "5"}, {"gpu2"}, {"4", "5"}),
        ({"WORKER_1_GPU": "0", "BRUSHWORK_WORKERS_HERE": "2"}, {"gpu1"}, {"0"}),
    ],
)
def test_the_shares_of_a_gpu_add_up(
    values: dict[str, str], profiles: set[str], gpus: set[str], tmp_path: Path
) -> None:
    file = write_env_file(tmp_path / "env", {**PASSWORDS, **values})
    planned = _planned(printed_services(file), profiles)
    assert planned == pytest.approx(dict.fromkeys(gpus, ALL_MODELS))
