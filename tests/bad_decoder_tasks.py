"""Loaded into a decoder process by a test: files that say what the decoder shall do wrong."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brushwork_core.media import pictures
from brushwork_core.media.decoders import tasks

_READ = pictures.read
tasks.CPU_S = 0.3


def _spin() -> None:
    while True:
        pass


def _eat() -> None:
    _ = bytes(8 * 2**30)


def _wait(folder: str) -> None:
    """Say that it has begun, and wait for the test to say go."""
    (Path(folder) / "begun").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.01)


def _kill_once(path: str) -> None:
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)


_WRONGS: dict[bytes, Callable[..., None]] = {
    b"spin": _spin,
    b"eat": _eat,
    b"abort": os.abort,
    b"segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    b"kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    b"wait": _wait,
    b"kill once": _kill_once,
}


def _read(data: bytes, *arguments: Any) -> pictures.ReadPicture:
    name, separator, rest = data.partition(b":")
    if separator and name in _WRONGS:
        path, _, data = rest.partition(b":")
        _WRONGS[name](*([path.decode()] if path else []))
    return _READ(data, *arguments)


pictures.read = _read
