"""How one process shares its cores and its memory between a device thread and many job threads.

Both settings matter where models compute on the CPU; `python -m benchmarks.cpu_settings` shows how much.
"""

import ctypes
import threading
from collections.abc import Callable

import torch

# malloc.h of the GNU C library.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
KEPT_BYTES = 2**30
GROWTH_BYTES = 64 * 2**20


def keep_memory() -> bool:
    """Have the C library keep up to a gibibyte of freed memory for all threads together; whether it can.

    It would give every block of over 32 MiB back at once, and for the next one the system fills page after
    page with zeros: in a decoder's larger batches that takes longer than the computing.

    By default most threads also get an arena of their own, which keeps what the largest picture of that
    thread took and is of no use to another thread. With one arena a worker keeps it once.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: KEPT_BYTES, _M_TOP_PAD: GROWTH_BYTES, _M_ARENA_MAX: 1}
    return all(mallopt(name, value) for name, value in wanted.items())


def device_thread(serve: Callable[[], None], num_threads: int | None = None) -> threading.Thread:
    """Start a thread in which torch computes with `num_threads`; everywhere else it computes with one.

    "Everywhere" is the thread that calls this, and all that have not computed yet. Every thread that
    computes with several gets helpers of its own; as soon as there are more helpers than cores, they sleep
    between two operations, and to wake them takes longer than most operations do.

    Args:
        serve: What the thread does.
        num_threads: None leaves torch as it is.
    """
    has_threads = threading.Event()

    def run() -> None:
        if num_threads is not None:
            torch.set_num_threads(num_threads)
            # Only now they are this thread's own; before, they were what every new thread gets.
            torch.get_num_threads()
        has_threads.set()
        serve()

    thread = threading.Thread(target=run, name="device", daemon=True)
    thread.start()
    has_threads.wait()
    if num_threads is not None:
        torch.set_num_threads(1)
    return thread
