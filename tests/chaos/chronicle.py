"""A log that people can read: what was done to the system, and every move of every job down to its end."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

from brushwork_schemas.states import JobState

from tests.chaos.history import Move
from tests.chaos.stack import Stack

# Of a job's id, the part that differs.
SHOWN = 12


class Chronicle:
    """Written when the block of `of` ends, whether well or not; pytest shows it with a failure.

    Args:
        title: Its first line.
        file: To which it is added; None is nowhere.
    """

    def __init__(self, title: str, file: Path | None = None) -> None:
        self._title = title
        self._file = file
        self._began_ms = time.time() * 1000
        self._deeds: list[tuple[float, str]] = []

    def note(self, words: str) -> None:
        """Something was done to the system now."""
        self._deeds.append((time.time() * 1000, words))

    @contextmanager
    def of(self, stack: Stack) -> Iterator[None]:
        """Tell of this stack from now until the block ends."""
        self._began_ms = time.time() * 1000
        try:
            yield
            stack.settle()
        finally:
            evidence = stack.evidence()
            self.keep(self.text(evidence.moves, evidence.jobs))

    def text(self, moves: Mapping[str, Sequence[Move]], jobs: Mapping[str, Mapping[str, Any]]) -> str:
        """All of it."""
        lines = [(at_ms, f"======== {words}") for at_ms, words in self._deeds]
        lines += [(move.at_ms, _line(move)) for own in moves.values() for move in own]
        told = [
            f"{(at_ms - self._began_ms) / 1000:8.3f} s  {words}"
            for at_ms, words in sorted(lines, key=itemgetter(0))
        ]
        return "\n".join([*told, _counts(moves, jobs)])

    def keep(self, text: str) -> None:
        """Add this, under the title."""
        whole = f"{self._title}\n{text}\n"
        print(whole)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as log:
                print(whole, file=log)


def _line(move: Move) -> str:
    words = f"job ...{move.job_id[-SHOWN:]}  {move.state:<9}  fence {move.fence}"
    return f"{words}  {move.worker}" if move.worker else words


def _counts(moves: Mapping[str, Sequence[Move]], jobs: Mapping[str, Mapping[str, Any]]) -> str:
    states = Counter(row["state"] for row in jobs.values())
    runs = sum(move.state == JobState.RUNNING for own in moves.values() for move in own)
    ends = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    return f"{len(jobs)} jobs, which ran {runs} times: {ends}."
