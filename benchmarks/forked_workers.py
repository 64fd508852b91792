"""Many workers whose jobs do nothing, forked from one process: together they take the memory of few.

python -m benchmarks.forked_workers [--count 50] [--concurrency 1]

The imports, torch among them, are shared. No worker computes with torch, so none has a copy of its own.
"""

import argparse
import ctypes
import gc
import os
import signal
import sys

from brushwork_schemas.kinds.registry import all_kinds

from benchmarks.empty_worker import serve_nothing
from tests.fork_server.preloading import preload

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Fork the workers, and wait until all have ended."""
    parser = argparse.ArgumentParser(description="Many workers whose jobs do nothing.")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--concurrency", type=int, default=1)
    options = parser.parse_args()
    preload()
    gc.collect()
    gc.freeze()
    parent = os.getpid()
    children = [_forked(number, options.concurrency, parent) for number in range(options.count)]
    signal.signal(signal.SIGTERM, lambda number, frame: _stop(children))
    for child in children:
        os.waitpid(child, 0)


def _forked(number: int, concurrency: int, parent: int) -> int:
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        serve_nothing(concurrency, f"idle-{number}", list(all_kinds()))
    return pid


def _stop(children: list[int]) -> None:
    for child in children:
        os.kill(child, signal.SIGKILL)
    sys.exit(0)


if __name__ == "__main__":
    main()
