"""Data-parallel training processes, one per core, that average their gradients after each step.

Two threads of one process synchronise about a thousand times per step. If another program uses one of two
cores, each synchronisation waits for its time slice: 10 samples per second were measured, where one thread
alone makes 150. Processes synchronise once per step.
"""

import os
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import torch
from torch import distributed
from torch.multiprocessing.spawn import ProcessContext, start_processes


def world_size() -> int:
    """Return the number of training processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, from 0. Process 0 writes files, measures and logs."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def barrier() -> None:
    """Wait until all processes have called this function."""
    if world_size() > 1:
        distributed.barrier()


@torch.no_grad()
def broadcast(tensors: list[torch.Tensor]) -> None:
    """Replace tensors by those of process 0."""
    if world_size() == 1:
        return
    for tensor in tensors:
        distributed.broadcast(tensor, 0)


@torch.no_grad()
def average(tensors: list[torch.Tensor]) -> None:
    """Replace tensors by their mean over all processes."""
    if world_size() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    flat /= world_size()
    start = 0
    for tensor in tensors:
        tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()


stop_requested = threading.Event()
"""Set by an interrupt: training saves and ends after the current step. A second interrupt ends it at once."""


def run(work: Callable[[], int], processes: int) -> int:
    """Run `work` in several processes of one thread each, and return the result of process 0."""
    _handle_signals(twice=True)
    torch.set_num_threads(1)
    if processes == 1:
        return work()
    with tempfile.TemporaryDirectory() as folder:
        context = start_processes(
            _run_process, (processes, work, folder), nprocs=processes, join=False, start_method="spawn"
        )
        try:
            _wait_for_processes(context)
        except KeyboardInterrupt:
            for process in context.processes:
                process.kill()
            raise
        return int((Path(folder) / "answer").read_text())


def _wait_for_processes(context: ProcessContext) -> None:
    is_forwarded = False
    while not context.join(timeout=1.0):
        # Only once: a second signal would reach a process that is already shutting down.
        if stop_requested.is_set() and not is_forwarded:
            is_forwarded = True
            for process in context.processes:
                process.terminate()


def _handle_signals(twice: bool = False) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        if twice and stop_requested.is_set():
            raise KeyboardInterrupt
        stop_requested.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _run_process(number: int, processes: int, work: Callable[[], int], folder: str) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    _handle_signals()
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=processes
    )
    answer = work()
    if number == 0:
        (Path(folder) / "answer").write_text(str(answer))
    barrier()
    distributed.destroy_process_group()
