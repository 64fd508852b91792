"""The program of a decoder: a guard that stays, and a child that decodes and is replaced when it ends.

The guard loads the libraries once and never decodes, so a child begins within milliseconds. It starts no
thread, so it may fork.
"""

import gc
import mmap
import os
import socket
import struct
import sys
import warnings
from importlib import import_module
from typing import NoReturn

from brushwork_core.media.decoders import frames, tasks

# After so many tasks a child ends, and memory that a library has lost is free again.
MAX_TASKS = 200
_DONE, _REPLACED = 0, 3
_NUMBER = struct.Struct("<Q")
_LIBRARIES = (
    "PIL.AvifImagePlugin",
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.TiffImagePlugin",
    "PIL.WebPImagePlugin",
    "pi_heif",
    "c2pa",
)


def main() -> None:
    """Serve the socket whose descriptor is the last argument, until its other end is closed."""
    connection = socket.socket(fileno=int(sys.argv[-1]))
    for name in _LIBRARIES:
        try:
            import_module(name)
        except ImportError:
            continue
    # Pillow warns of damaged parts; nobody reads it here. C libraries write to the descriptor itself.
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    gc.collect()
    gc.freeze()
    frames.send(connection, {"ready": True})
    # The number of the task that a child performs, for the guard to know when the child has died.
    current = mmap.mmap(-1, _NUMBER.size)
    while True:
        _NUMBER.pack_into(current, 0, 0)
        if (child := os.fork()) == 0:
            _serve(connection, current)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == _DONE:
            return
        if number := _NUMBER.unpack_from(current)[0]:
            frames.send(connection, {"number": number, "died": code})


def _serve(connection: socket.socket, current: mmap.mmap) -> NoReturn:
    try:
        tasks.limit_process()
        for _ in range(MAX_TASKS):
            if (received := frames.receive(connection)) is None:
                os._exit(_DONE)
            task, files = received
            _NUMBER.pack_into(current, 0, task["number"])
            answer = tasks.perform(task, *files)
            for file in files:
                os.close(file)
            frames.send(connection, {"number": task["number"], **answer})
            _NUMBER.pack_into(current, 0, 0)
    finally:
        os._exit(_REPLACED)


if __name__ == "__main__":
    main()
