"""Shares the cores and the memory of one process between a device thread and many job threads.

Both settings matter when models run on the CPU; `python -m benchmarks.cpu_settings` shows how much.
"""

import ctypes
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

import torch

# malloc.h of the GNU C library.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -3, -4, -8
KEPT_BYTES = 2**30
# Larger blocks go back to the system at once.
LARGE_BLOCK_BYTES = 64 * 2**20
# The C library's own limit.
USUAL_LARGE_BLOCK_BYTES = 32 * 2**20
GROWTH_BYTES = 64 * 2**20
# The system takes 0.4 s of processor time to fill a gibibyte of pages with zeros again.
LONG_S = 1.0
_keeps_memory = threading.Event()


def keep_memory() -> bool:
    """Make the C library keep up to a gibibyte of freed memory for all threads together; False if it cannot.

    By default it returns every block of more than 32 MiB to the system at once. For the next block the system
    fills all pages with zeros, which takes longer than the computation in a decoder's larger batches. Blocks
    of 64 MiB and more still go back: networks that need them compute for longer, and kept blocks of many
    different sizes take more memory than those in use.

    By default most threads also get an arena of their own. It keeps as much memory as the largest picture of
    its thread took, and no other thread can use it. With one arena a worker keeps that memory once.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {_M_TRIM_THRESHOLD: KEPT_BYTES, _M_TOP_PAD: GROWTH_BYTES, _M_ARENA_MAX: 1}
    is_kept = all(mallopt(name, value) for name, value in wanted.items())
    # Versions before 2.35 allow no threshold of more than 32 MiB. There, all blocks are kept.
    has_threshold = mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
    if is_kept:
        _keeps_memory.set()
    return is_kept and bool(has_threshold or mallopt(_M_MMAP_MAX, 0))


class LongCalls:
    """Returns memory to the system for modules that compute for long, where keeping it saves little time.

    Between and during long calls, decoded pictures and other small blocks of all threads come to lie in what
    a large block has freed. The next large block does not fit there, so the process grows with each call. So
    while such a module computes, blocks of 32 MiB and more are not kept, as the C library does by default.
    All freed memory goes back before and after. Nothing is done in a process that has not called
    `keep_memory`. One thread at a time may compute.

    Args:
        long_s: From so many seconds on, a call is long: processor time of its thread, which other programs on
            the cores do not change.
    """

    def __init__(self, long_s: float = LONG_S) -> None:
        self._long_s = long_s
        self._modules: set[Hashable] = set()

    @contextmanager
    def call(self, module: Hashable) -> Iterator[None]:
        """Call a module inside the block. Its call before tells whether this one will be long.

        Args:
            module: Identity of the module.
        """
        began_s, is_long = time.thread_time(), module in self._modules
        if is_long:
            _set_large_block(USUAL_LARGE_BLOCK_BYTES)
            # Others have freed some since the last call.
            ctypes.CDLL(None).malloc_trim(0)
        try:
            yield
        finally:
            if is_long:
                _set_large_block(LARGE_BLOCK_BYTES)
            self._modules.discard(module)
            if _keeps_memory.is_set() and time.thread_time() - began_s >= self._long_s:
                self._modules.add(module)
                ctypes.CDLL(None).malloc_trim(0)


def _set_large_block(size_bytes: int) -> None:
    ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, size_bytes)


def device_thread(serve: Callable[[], None], num_threads: int | None = None) -> threading.Thread:
    """Start a thread in which torch uses `num_threads` CPU threads; everywhere else it uses one.

    "Everywhere else" is the calling thread, and all threads that have not used torch yet. Each thread that
    uses several CPU threads gets a pool of its own. With more pool threads than cores, they sleep between two
    operations, and waking them takes longer than most operations.

    Args:
        serve: Run in the new thread.
        num_threads: Number of CPU threads; None leaves torch's setting unchanged.
    """
    has_threads = threading.Event()

    def run() -> None:
        if num_threads is not None:
            torch.set_num_threads(num_threads)
            # This call makes the setting this thread's own. Before, it is the default of every new thread.
            torch.get_num_threads()
        has_threads.set()
        serve()

    thread = threading.Thread(target=run, name="device", daemon=True)
    thread.start()
    has_threads.wait()
    if num_threads is not None:
        torch.set_num_threads(1)
    return thread
