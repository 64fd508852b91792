"""On what terms a model's calls may share a run."""

from dataclasses import dataclass
from typing import Any, Protocol


class Adapters(Protocol):
    """A state of a shared module that a job wants, such as LoRA adapters with their weights; hashable.

    Calls share a run only where these are equal. A model with adapters must name them in every call, the
    call without any included, or it would meet what the last run has left.
    """

    def __hash__(self) -> int: ...

    def activate(self, module: Any) -> None:
        """Put `module`, and nothing else, into this state; no call of it runs meanwhile.

        Asked before every run, so it should cost nothing where the module is in that state.
        """
        ...


@dataclass(frozen=True)
class CallOptions:
    """What the one who hands out a module knows of its calls.

    Args:
        model: Name in the catalogue, for people.
        part: Which of its modules, for people.
        pixels_per_row: Of the picture that a row is about, whatever form it has on its way through.
        max_rows: Most rows of a run; by default the worker's bound.
        adapters: State that the module must be in.
    """

    model: str = ""
    part: str = ""
    pixels_per_row: int = 1
    max_rows: int | None = None
    adapters: Adapters | None = None

    def __str__(self) -> str:
        return f"{self.model} {self.part}".strip() or "a module"
