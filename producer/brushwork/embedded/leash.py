"""Starts a program that ends when its parent does, however the parent ends.

Run as a file of its own and with only the standard library, so that it costs milliseconds:
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
    """Where the kernel tells nobody of a parent's death, leave a small process that looks for it."""
    program = os.getpid()
    if os.fork():
        return
    # This child's own parent is the program; it too may end first.
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
