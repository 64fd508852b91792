"""A file in which every attempt notes that it begins and that its work is done: what really ran."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Event = Literal["begun", "done"]


@dataclass(frozen=True)
class Note:
    """One line. `at` is the machine's monotonic clock, the same in all processes."""

    event: str
    job_id: str
    fence: int
    pid: int
    at: float


class Journal:
    """Appends and reads notes. A line is one write, so those of many processes never mix.

    Args:
        file: Where they are.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def note(self, event: Event, job_id: str, fence: int) -> None:
        """Append a line; it is there even if the process dies the next moment."""
        line = f"{event} {job_id} {fence} {os.getpid()} {time.monotonic()}\n"
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def notes(self, event: Event) -> list[Note]:
        """All of that sort, in their order."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [note for note in map(_read, lines) if note.event == event]

    def num_begun(self, job_id: str) -> int:
        """How many attempts at this job have begun."""
        return sum(note.job_id == job_id for note in self.notes("begun"))


def _read(line: str) -> Note:
    event, job_id, fence, pid, at = line.split()
    return Note(event, job_id, int(fence), int(pid), float(at))
