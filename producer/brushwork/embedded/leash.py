"""Start a program that ends when its parent ends, even if the parent is killed.

It runs as a file and uses only the standard library, so that it needs only milliseconds:
`python -I -S leash.py PARENT_PID SIGNAL PROGRAM ARGUMENT...`. It replaces itself with the program.
"""

import ctypes
import os
import sys
import time

PR_SET_PDEATHSIG = 1
WATCH_S = 0.5


def main(arguments: list[str]) -> None:
    """Bind this process to its parent, then become the program."""
    parent, death_signal, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    else:
        watch(int(parent), int(death_signal))
    if os.getppid() != int(parent):
        sys.exit("The parent was gone before its child had started.")
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


def watch(parent: int, death_signal: int) -> None:
    """Start a small process that polls for the end of the parent, for kernels without a signal for it."""
    program = os.getpid()
    if os.fork():
        return
    # The parent of this process is the program, which may end first.
    while os.getppid() == program:
        if not _is_alive(parent):
            os.kill(program, death_signal)
            break
        time.sleep(WATCH_S)
    os._exit(0)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
