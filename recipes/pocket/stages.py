"""The parts in the order in which they are built on each other, and their shares of the time."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from recipes.pocket import gang
from recipes.pocket.gates import GATES, Passage
from recipes.pocket.training import TimeBudget

SHARES = {
    "text_encoder": 0.02,
    "autoencoder": 0.14,
    "decoder": 0.16,
    "denoiser": 0.38,
    "polish": 0.06,
    "turbo": 0.12,
    "captioner": 0.05,
    "classifier": 0.03,
    "segmenter": 0.04,
}
"""Share of the whole time budget by part."""

PARTS = tuple(SHARES)
_GIVEN = ("text_encoder", "autoencoder")
"""Parts that a start from the shipped weights takes as they are: everything else stands on their numbers."""


class Stopped(Exception):
    """A gate was not reached: nothing is built on the part."""


def run_part(part: str, out: Path, budget: TimeBudget) -> bool:
    """Trains one part; True if its budget is spent."""
    finished: bool = import_module(f"recipes.pocket.{part}").train(out, budget)
    gang.wait()
    return finished


def run_all(
    out: Path,
    budget: TimeBudget,
    past_gates: bool = False,
    train: Callable[[str, Path, TimeBudget], bool] = run_part,
    gates: Mapping[str, Callable[[Path], list[Passage]]] = GATES,
) -> bool:
    """Trains what is not yet trained, in order, with a gate after each part.

    Args:
        out: folder of what is made.
        budget: of all parts together, each with its share.
        past_gates: whether to go on where a gate was not reached.
        train: trains one part.
        gates: what each part has to reach.

    Returns:
        True if all is done, False if the time for now is over.

    Raises:
        Stopped: a gate was not reached.
    """
    given = _GIVEN if (out / "start").exists() else ()
    for part in PARTS:
        minutes = budget.minutes * SHARES[part]
        if part in given or _passed(out, part, minutes, past_gates):
            continue
        if gang.place() == 0:
            print(f"{part}: {minutes:.1f} minutes", flush=True)
        if not train(part, out, replace(budget, minutes=minutes)):
            return False
        if gang.place() == 0:
            _note(out, part, minutes, gates[part](out) if part in gates else [])
        gang.wait()
        _passed(out, part, minutes, past_gates)
    return True


def _passed(out: Path, part: str, minutes: float, past_gates: bool) -> bool:
    """True if nothing is left to do of a part: its gate is open, or was closed after all these minutes.

    Raises:
        Stopped: it is closed, and that is not to be passed over.
    """
    noted = _notes(out).get(part)
    if noted is None or (not noted["open"] and noted["minutes"] < minutes):
        return False
    if not noted["open"] and not past_gates:
        raise Stopped(f"{part} wants more than {minutes:.2g} minutes: call again with more --minutes")
    return True


def _notes(out: Path) -> dict[str, dict[str, Any]]:
    file = out / "gates.json"
    notes: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.exists() else {}
    return notes


def _note(out: Path, part: str, minutes: float, passages: list[Passage]) -> None:
    for passage in passages:
        print(f"{part}: {passage}", flush=True)
    notes = _notes(out)
    notes[part] = {
        "minutes": minutes,
        "open": all(passage.is_open for passage in passages),
        "figures": {passage.name: round(passage.reached, 4) for passage in passages},
    }
    (out / "gates.json").write_text(json.dumps(notes, indent=2) + "\n")
