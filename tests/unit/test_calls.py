"""The seam between a job and a model, and the stand-ins on the job's side of it."""

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModuleProxy, SerialExecutor, StopCheck
from torch import nn


class Recording:
    """Notes which functions are called through it."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def call(self, options: CallOptions, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.called.append(f"{options} {getattr(function, '__name__', type(function).__name__)}")
        return function(*args, **kwargs)

    def job(self, stop: StopCheck, *, priority: int = 0, alone: bool = False) -> AbstractContextManager[None]:
        return nullcontext()

    def close(self) -> None:
        return


class Coder(nn.Module):
    """A module with a heavy method besides its call."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return self.scale * value

    def decode(self, value: torch.Tensor) -> torch.Tensor:
        return value / self.scale

    def describe(self) -> str:
        return "light"


def test_calls_and_heavy_methods_go_through_the_seam_and_nothing_else() -> None:
    calls, coder = Recording(), Coder()
    proxy = ModuleProxy(coder, calls, CallOptions("pocket", "coder"), methods=("decode",))
    assert proxy(torch.tensor(3.0)) == 6
    assert proxy.decode(torch.tensor(3.0)) == 1.5
    assert proxy.describe() == "light"
    assert calls.called == ["pocket coder Coder", "pocket coder decode"]


def test_every_method_can_be_heavy() -> None:
    calls = Recording()
    proxy = ModuleProxy(Coder(), calls, CallOptions(part="words"), methods=None)
    assert proxy.describe() == "light"
    assert proxy.training
    assert calls.called == ["words describe"]


def test_a_stand_in_passes_for_its_module() -> None:
    proxy: Any = ModuleProxy(Coder(), SerialExecutor(), CallOptions())
    assert isinstance(proxy, nn.Module)
    assert isinstance(proxy, Coder)
    assert next(proxy.parameters()).item() == 2
    assert not hasattr(proxy, "encode")


def test_direct_calls_build_no_graph() -> None:
    result = SerialExecutor().call(CallOptions(), Coder(), torch.ones(2))
    assert not result.requires_grad
    result += 1  # as schedulers do


def test_direct_calls_run_one_at_a_time() -> None:
    calls = SerialExecutor()
    inside, most = 0, 0
    counting = threading.Lock()
    start = threading.Barrier(4)

    def work() -> None:
        nonlocal inside, most
        with counting:
            inside += 1
            most = max(most, inside)
        torch.ones(200, 200) @ torch.ones(200, 200)
        with counting:
            inside -= 1

    def job() -> None:
        start.wait()
        for _ in range(50):
            calls.call(CallOptions(), work)

    threads = [threading.Thread(target=job) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_an_error_frees_the_device() -> None:
    calls = SerialExecutor()

    def fail() -> None:
        raise ValueError

    for _ in range(2):
        try:
            calls.call(CallOptions(), fail)
        except ValueError:
            continue
    assert calls.call(CallOptions(), lambda: "still free") == "still free"
