"""Training processes side by side, one a core, that average their gradients after each step.

Two threads of one process meet a thousand times a step, and where another program holds one of two cores each
meeting waits for its time slice: 10 samples a second were seen where one thread alone makes 150. Processes
meet once a step.
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


def size() -> int:
    """Number of processes that train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def place() -> int:
    """This process's number among them, from 0; process 0 writes, measures and logs."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def wait() -> None:
    """Waits until all have come here."""
    if size() > 1:
        distributed.barrier()


@torch.no_grad()
def share(tensors: list[torch.Tensor]) -> None:
    """Replaces tensors by those of process 0."""
    if size() == 1:
        return
    for tensor in tensors:
        distributed.broadcast(tensor, 0)


@torch.no_grad()
def average(tensors: list[torch.Tensor]) -> None:
    """Replaces tensors by their mean over the processes."""
    if size() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    flat /= size()
    start = 0
    for tensor in tensors:
        tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()


stop_asked = threading.Event()
"""Set by an interrupt: trainings save and end after the step they are at. A second one ends them at once."""


def run(work: Callable[[], int], processes: int) -> int:
    """Runs `work` in so many processes of one thread each and gives back what the first one's gave."""
    _listen(twice=True)
    torch.set_num_threads(1)
    if processes == 1:
        return work()
    with tempfile.TemporaryDirectory() as folder:
        members = start_processes(
            _member, (processes, work, folder), nprocs=processes, join=False, start_method="spawn"
        )
        try:
            _wait_for(members)
        except KeyboardInterrupt:
            for member in members.processes:
                member.kill()
            raise
        return int((Path(folder) / "answer").read_text())


def _wait_for(members: ProcessContext) -> None:
    told = False
    while not members.join(timeout=1.0):
        # Once: a second signal would meet a process that is already taking itself apart.
        if stop_asked.is_set() and not told:
            told = True
            for member in members.processes:
                member.terminate()


def _listen(twice: bool = False) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        if twice and stop_asked.is_set():
            raise KeyboardInterrupt
        stop_asked.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _member(number: int, processes: int, work: Callable[[], int], folder: str) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    _listen()
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=processes
    )
    answer = work()
    if number == 0:
        (Path(folder) / "answer").write_text(str(answer))
    wait()
    distributed.destroy_process_group()
