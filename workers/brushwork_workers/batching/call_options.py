"""The conditions under which calls of a model may share a batch."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

from brushwork_core.telemetry.labels import trained_together


class Adapters(Protocol):
    """A state of a shared module that a job needs, such as LoRA adapters with their weights; hashable.

    Calls share a batch only if their adapters are equal. A model that has adapters must name them in every
    call, also in a call without any: else the call would run with the adapters of the last batch.

    A state may have the attribute `is_neutral`. If it is true, the module computes the same as without any
    adapters, so an engine may run it. Without the attribute, torch runs every call that names adapters.
    """

    def __hash__(self) -> int: ...

    def activate(self, module: Any) -> None:
        """Put `module`, and nothing else, into this state. No call of the module runs meanwhile.

        Called before every batch, so it should return quickly if the module is in this state already.
        """
        ...


@dataclass(frozen=True)
class CallOptions:
    """Options of the calls of one module.

    Args:
        model: Name of the model in the catalogue; for reports.
        part: Name of the module within the model; for reports.
        pixels_per_row: Pixels of the picture that one row belongs to, also where the row is not a picture.
        max_rows: Most rows of a batch; None for the worker's limit.
        adapters: The state that the module must be in.
        keeps_answers: Whether a later call with equal arguments may get a copy of the answer; see
            `PromptCache`. The module must depend on nothing but its arguments, weights and adapters, and the
            adapters must not refer to the model, which could not be unloaded otherwise.
    """

    model: str = ""
    part: str = ""
    pixels_per_row: int = 1
    max_rows: int | None = None
    adapters: Adapters | None = None
    keeps_answers: bool = False

    def __str__(self) -> str:
        return f"{self.model} {self.part}".strip() or "a module"

    @property
    def label(self) -> str:
        """The module in metrics: "<model> <part>", with one name for all trained models."""
        # Otherwise each training would add a series that stays.
        return str(replace(self, model=trained_together(self.model)))
