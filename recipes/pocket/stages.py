"""The parts in the order of training, and their shares of the time budget."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from recipes.pocket.gates import GATES, GateResult
from recipes.pocket.training import process_group
from recipes.pocket.training.loop import TimeBudget

SHARES = {
    "text_encoder": 0.02,
    "autoencoder": 0.11,
    "decoder": 0.13,
    "denoiser": 0.31,
    "polish": 0.05,
    "turbo": 0.09,
    "captioner": 0.04,
    "classifier": 0.03,
    "segmenter": 0.03,
    "upscaler": 0.01,
    "instruction_text": 0.01,
    "motion_text": 0.01,
    "fine_autoencoder": 0.03,
    "fine_decoder": 0.03,
    "editor": 0.05,
    "video": 0.05,
}
"""The share of the time budget of each part."""

PARTS = tuple(SHARES)
_OF_WORDS = ("text_encoder", "instruction_text", "motion_text")
"""Parts that read prompts; they are in the room `texts`, all others in `networks`."""
_NOT_RETRAINED = ("text_encoder", "autoencoder")
"""Parts that are not trained again when training starts from shipped weights: the others depend on them."""


class Stopped(Exception):
    """A gate was not reached, so the next part is not trained."""


def run_part(part: str, out: Path, budget: TimeBudget) -> bool:
    """Train one part. Return True if its budget is spent."""
    room = "texts" if part in _OF_WORDS else "networks"
    finished: bool = import_module(f"recipes.pocket.{room}.{part}").train(out, budget)
    process_group.barrier()
    return finished


def run_all(
    out: Path,
    budget: TimeBudget,
    past_gates: bool = False,
    train: Callable[[str, Path, TimeBudget], bool] = run_part,
    gates: Mapping[str, Callable[[Path], list[GateResult]]] = GATES,
) -> bool:
    """Train all parts that are not trained yet, in order, with a gate after each part.

    Args:
        out: The output folder.
        budget: The time budget of all parts together.
        past_gates: Whether to continue after a gate that was not reached.
        train: Trains one part.
        gates: Measures the figures of each part.

    Returns:
        True if all parts are trained, False if a later run must continue.

    Raises:
        Stopped: A gate was not reached.
    """
    given = _NOT_RETRAINED if (out / "start").exists() else ()
    for part in PARTS:
        minutes = budget.minutes * SHARES[part]
        if part in given or _passed(out, part, minutes, past_gates):
            continue
        if process_group.rank() == 0:
            print(f"{part}: {minutes:.1f} minutes", flush=True)
        if not train(part, out, replace(budget, minutes=minutes)):
            return False
        if process_group.rank() == 0:
            _note(out, part, minutes, gates[part](out) if part in gates else [])
        process_group.barrier()
        _passed(out, part, minutes, past_gates)
    return True


def _passed(out: Path, part: str, minutes: float, past_gates: bool) -> bool:
    """Return whether a part is finished: it reached its gate, or was trained for at least `minutes`.

    Raises:
        Stopped: The part did not reach its gate, and `past_gates` is not set.
    """
    noted = _notes(out).get(part)
    if noted is None or (not noted["open"] and noted["minutes"] < minutes):
        return False
    if not noted["open"] and not past_gates:
        raise Stopped(f"{part}: gate not reached in {minutes:.2g} minutes. Run again with more --minutes.")
    return True


def _notes(out: Path) -> dict[str, dict[str, Any]]:
    file = out / "gates.json"
    notes: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.exists() else {}
    return notes


def _note(out: Path, part: str, minutes: float, passages: list[GateResult]) -> None:
    for passage in passages:
        print(f"{part}: {passage}", flush=True)
    notes = _notes(out)
    notes[part] = {
        "minutes": minutes,
        "open": all(passage.is_passed for passage in passages),
        "figures": {passage.name: round(passage.value, 4) for passage in passages},
    }
    (out / "gates.json").write_text(json.dumps(notes, indent=2) + "\n")
