"""Accelerators of every maker: recognised, budgeted, measured and reported, with a stand-in for each."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from brushwork.embedded import worker_choice
from brushwork.embedded.worker_choice import num_gpus
from brushwork_core.settings.machine import machine_memory
from brushwork_schemas.errors import InvalidRequest
from brushwork_workers.batching.arguments import completion_event
from brushwork_workers.device import accelerator
from brushwork_workers.device.metrics import DeviceMetrics
from brushwork_workers.device.selection import (
    choose_device,
    choose_dtype,
    default_pixels,
    device_name,
    model_budget,
)
from brushwork_workers.families.training.rng import seeded

from tests.stand_in_accelerator import StandInAccelerator

GIB = 2**30
# The type of all backends that are not in torch itself, such as Ascend's, which names it npu.
OTHER = "privateuseone"
KINDS = ("cuda", "xpu", OTHER)
# torch's own functions with a backend of another package. In a process of its own: its name stays.
NAMED_BACKEND = """
import types
import torch
torch.utils.rename_privateuse1_backend("npu")
module = types.ModuleType("npu")
module.is_available, module.device_count = lambda: True, lambda: 2
module.current_device, module.is_bf16_supported = lambda: 0, lambda: False
module.get_device_name = lambda device: f"Ascend of {device}"
torch._register_device_module("npu", module)
from brushwork_workers.device import accelerator
from brushwork_workers.device.selection import choose_device, choose_dtype, device_name
device = choose_device("auto", 3)
print(accelerator.current(), accelerator.device_count(), choose_dtype("auto", device), device_name(device))
"""


def measured(device: torch.device) -> dict[str, float]:
    found = DeviceMetrics(device).collect()
    return {family.name.removeprefix("brushwork_device_"): family.samples[0].value for family in found}


@pytest.mark.parametrize("kind", KINDS)
def test_every_accelerator_is_chosen_budgeted_and_reported(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    StandInAccelerator(kind).install(monkeypatch)
    assert [str(choose_device("auto", index)) for index in range(3)] == [
        f"{kind}:0",
        f"{kind}:1",
        f"{kind}:0",
    ]
    device = torch.device(kind, 1)
    assert model_budget(device, 1) == int(0.7 * 64 * GIB)
    assert model_budget(device, 4) == int(0.7 * 64 * GIB) // 2, "two workers on each of two devices"
    assert model_budget(device, 4, given_gb=1.0) == GIB
    assert default_pixels(device) == 64 * 2**20
    assert choose_dtype("auto", device) is torch.bfloat16
    assert choose_dtype("float32", device) is torch.float32
    assert device_name(device) == f"{kind}:1 (Stand-in 910)"
    assert measured(device) == {
        "memory_used_bytes": 4 * GIB,
        "memory_total_bytes": 64 * GIB,
        "memory_held_bytes": 7 * 2**20,
        "busy_ratio": 0.25,
    }


@pytest.mark.parametrize(
    ("lacks", "left_out"),
    [
        (("utilization",), {"busy_ratio"}),
        (("memory_reserved",), {"memory_held_bytes"}),
        (("get_memory_info",), {"memory_used_bytes", "memory_total_bytes"}),
    ],
)
def test_what_a_backend_does_not_tell_is_left_out(
    lacks: tuple[str, ...], left_out: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    StandInAccelerator("xpu", lacks=lacks).install(monkeypatch)
    every = {"memory_used_bytes", "memory_total_bytes", "memory_held_bytes", "busy_ratio"}
    assert set(measured(torch.device("xpu", 0))) == every - left_out


def test_an_accelerator_without_bfloat16_gets_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    StandInAccelerator(OTHER, has_bfloat16=False).install(monkeypatch)
    assert choose_dtype("auto", torch.device(OTHER, 0)) is torch.float16


@pytest.mark.parametrize(("known", "dtype"), [({torch.bfloat16}, torch.bfloat16), (set(), torch.float16)])
def test_a_backend_that_is_not_asked_about_bfloat16_tells_its_capability(
    known: set[torch.dtype], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    StandInAccelerator("xpu", has_bfloat16=None).install(monkeypatch)
    monkeypatch.setattr(
        torch.accelerator, "get_device_capability", lambda device: {"supported_dtypes": known}, raising=False
    )
    assert choose_dtype("auto", torch.device("xpu", 0)) is dtype


def test_the_gpu_of_apple_shares_the_memory_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    StandInAccelerator("mps", count=1, lacks=("get_memory_info", "utilization", "get_device_name")).install(
        monkeypatch
    )
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 5)
    device = choose_device("auto", 3)
    assert str(device) == "mps"
    assert model_budget(device, 2) == machine_memory() // 2 // 2
    assert (choose_dtype("auto", device), default_pixels(device)) == (torch.float32, 4 * 2**20)
    assert measured(device) == {"memory_held_bytes": 5}
    assert device_name(device).startswith("mps (")


def test_a_backend_without_a_name_for_its_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    StandInAccelerator(OTHER, lacks=("get_device_name",)).install(monkeypatch)
    assert device_name(torch.device(OTHER, 0)).startswith(f"{OTHER}:0 (")


@pytest.mark.parametrize("kind", [*KINDS, "mps"])
def test_answers_wait_for_an_event_of_their_device(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    StandInAccelerator(kind).install(monkeypatch)
    event = accelerator.recorded_event(torch.device(kind, 0))
    assert isinstance(event, torch.Event)
    assert (event.blocking, event.stream) == (True, f"stream of {kind}:0")  # type: ignore[attr-defined]
    event.synchronize()
    assert event.has_waited  # type: ignore[attr-defined]


def test_without_events_all_work_of_the_device_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = StandInAccelerator(OTHER, lacks=("Event",)).install(monkeypatch)
    accelerator.recorded_event(torch.device(OTHER, 1)).synchronize()
    assert found.calls == [f"synchronize {OTHER}:1"]


def test_a_failed_device_is_not_taken_for_a_lack_of_its_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    StandInAccelerator(OTHER).install(monkeypatch)

    def fail(device: torch.device) -> None:
        raise torch.OutOfMemoryError("no memory left")

    monkeypatch.setattr(torch.accelerator, "current_stream", fail)
    with pytest.raises(torch.OutOfMemoryError):
        accelerator.recorded_event(torch.device(OTHER, 0))


def test_a_cpu_has_no_events_no_metrics_and_no_cache() -> None:
    assert completion_event([torch.zeros(2)]) is None
    assert measured(torch.device("cpu")) == {}
    assert accelerator.memory_info(torch.device("cpu")) is None
    accelerator.empty_cache()


def test_the_cache_of_any_accelerator_is_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    found = StandInAccelerator("xpu").install(monkeypatch)
    accelerator.empty_cache()
    assert found.calls == ["empty_cache"]


def test_random_numbers_of_an_accelerator_are_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    states = {f"{OTHER}:0": torch.tensor([1]), f"{OTHER}:1": torch.tensor([2])}
    StandInAccelerator(OTHER).install(monkeypatch)
    module = torch.get_device_module(OTHER)
    module.get_rng_state = lambda device: states[str(device)]  # type: ignore[attr-defined]
    module.set_rng_state = lambda state, device: states.update({str(device): state})  # type: ignore[attr-defined]
    monkeypatch.setattr(
        torch, "manual_seed", lambda seed: states.update({f"{OTHER}:1": torch.tensor([seed])})
    )
    with seeded(torch.device(OTHER, 1), 5, "epoch", 1):
        assert states[f"{OTHER}:1"].item() not in (1, 2)
    assert {name: state.item() for name, state in states.items()} == {f"{OTHER}:0": 1, f"{OTHER}:1": 2}


def test_a_backend_of_another_package_is_found_by_torch_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NAMED_BACKEND], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split("\n")[0] == "npu 2 torch.float16 npu:1 (Ascend of npu:1)", done.stderr


def test_a_device_that_is_not_here_is_refused_with_those_that_may_be_named() -> None:
    with pytest.raises(InvalidRequest) as raised:
        choose_device("xpu:7")
    assert "npu" in str(raised.value.hint)


def test_devices_are_counted_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("davinci0", "davinci1", "davinci_manager", "dri/renderD128", "dri/card0"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for variable in ("ASCEND_RT_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(variable, raising=False)
    none = tmp_path / "no driver"
    assert num_gpus(none, tmp_path) == 0, "no torch here uses them"
    monkeypatch.setattr(worker_choice, "version", lambda package: "2.15.0+xpu")
    assert num_gpus(none, tmp_path) == 1
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert num_gpus(none, tmp_path) == 2
    monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", "1")
    assert num_gpus(none, tmp_path) == 1
