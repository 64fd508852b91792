"""The interface of a contestant: a system that performs jobs, one by one or many at once."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from benchmarks.program import Program

Job = Mapping[str, Any]


class Contestant(Protocol):
    """A system that is up, with its models loaded and warm."""

    @property
    def name(self) -> str:
        """Its row in the table."""
        ...

    @property
    def programs(self) -> Sequence[Program]:
        """What it has running, to be frozen while others have their turn."""
        ...

    def answer(self, job: Job) -> None:
        """Do one job; returns when its result is in the caller's hand. Called from many threads."""
        ...

    def burst(self, jobs: Sequence[Job]) -> float:
        """Submit all at once; seconds from the first submit until the last result."""
        ...
