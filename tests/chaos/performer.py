"""A performer that does what the prompt says, in place of a model: quick, and the same every time.

A prompt is words: `steps=20 pause=0.05` makes twenty steps, each after a pause; a deed (one of `DEEDS`) is
done at half of the steps, or at step 3 for `at=3`; `once` has only the first attempt do it. `rest=1` rests
after the last step, where no word reaches the job any more, as in a decoder that takes long.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from brushwork_schemas.errors import DeviceFailed
from brushwork_workers.execution.job_context import AttemptContext
from PIL import Image

from tests.chaos.journal import Journal

FOR_EVER_S = 3600


@dataclass(frozen=True)
class Script:
    """What a prompt asks for."""

    steps: int = 4
    pause_s: float = 0.0
    rest_s: float = 0.0
    deed: str | None = None
    at: int = 2
    once: bool = False

    @classmethod
    def read(cls, prompt: str) -> Self:
        words = prompt.split()
        values = dict(word.split("=", 1) for word in words if "=" in word)
        steps = int(values.get("steps", 4))
        deed = next((word for word in words if word in DEEDS), None)
        at = int(values.get("at", max(1, steps // 2)))
        pause_s, rest_s = float(values.get("pause", 0)), float(values.get("rest", 0))
        return cls(steps, pause_s, rest_s, deed, at, "once" in words)


class Scripted:
    """Performs `Script`s and notes in the journal what began and what was done.

    Args:
        journal: Where to.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def warm_up(self) -> None:
        return

    def perform(self, request: Any, context: AttemptContext) -> dict[str, Any]:
        # The only way to the attempt's fence: no performer needs to know it.
        job_id, fence = context._attempt.key
        self._journal.note("begun", job_id, fence)
        script = Script.read(request.prompt)
        for step in range(1, script.steps + 1):
            if script.deed and step == script.at and not (script.once and fence > 1):
                DEEDS[script.deed]()
            time.sleep(script.pause_s)
            context.progress(step, script.steps)
        time.sleep(script.rest_s)
        picture = context.save_picture(_picture(request.seed))
        self._journal.note("done", job_id, fence)
        return {"images": (picture,), "seed": request.seed, "seeds": (request.seed,)}


def _picture(seed: int) -> Image.Image:
    """Of its seed alone, so that a job run twice leaves one file."""
    return Image.new("RGB", (16, 16), (seed % 256, seed // 256 % 256, seed // 65536 % 256))


def _hang() -> None:
    threading.Event().wait(FOR_EVER_S)


def _hang_with_pythons_lock() -> None:
    # A PyDLL's functions, unlike a CDLL's, are called without letting go of the lock.
    ctypes.PyDLL(None).sleep(FOR_EVER_S)


def _run_out_of_memory() -> None:
    raise MemoryError


def _fill_the_device() -> None:
    raise torch.OutOfMemoryError("simulated")


def _break_the_device() -> None:
    raise DeviceFailed("simulated")


def _recurse() -> None:
    _recurse()


DEEDS: dict[str, Callable[[], Any]] = {
    "exit": lambda: os._exit(3),
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "hang": _hang,
    "hang-gil": _hang_with_pythons_lock,
    "memory": _run_out_of_memory,
    "oom": _fill_the_device,
    "device": _break_the_device,
    "systemexit": lambda: sys.exit(3),
    "recursion": _recurse,
}
