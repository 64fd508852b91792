"""The list of one-line faults, and what can be wrong with it."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("faults.toml")
ORIGINS = ("docs", "code")


@dataclass(frozen=True)
class Fault:
    """One changed line of the production code, and the tests that notice it.

    Args:
        id: Its name on the command line.
        file: Path of the changed file, relative to the root of the repository.
        old: A fragment of one line that occurs exactly once in the file.
        new: The fragment in its place.
        promise: What the fault breaks, in one sentence.
        tests: Paths of test files, relative to the root; each of them must fail.
        written_from: "docs" or "code": where the fault was found.
        page: The page that states the promise, of a fault that was found in the docs.
        hangs: Whether the fault makes a test wait without end, so that a timeout counts as a failure.
    """

    id: str
    file: str
    old: str
    new: str
    promise: str
    tests: tuple[str, ...]
    written_from: str
    page: str = ""
    hangs: bool = False


def read_faults(file: Path = FILE) -> list[Fault]:
    """The faults of a TOML file, in its order.

    Raises:
        ValueError: An entry has an unknown key or lacks a required one.
    """
    return [_fault(entry) for entry in tomllib.loads(file.read_text("utf-8"))["fault"]]


def problems(faults: Sequence[Fault], root: Path) -> list[str]:
    """What is wrong with the entries, one line each; empty if all can be applied to the tree at `root`."""
    found = [f"{name}: occurs {count} times" for name, count in _ids(faults).items() if count > 1]
    return found + [f"{fault.id}: {problem}" for fault in faults for problem in _problems(fault, root)]


def mutated(fault: Fault, text: str) -> str:
    """The text of the fault's file with the fault in it."""
    return text.replace(fault.old, fault.new)


def _fault(entry: dict[str, Any]) -> Fault:
    known = {field.name for field in fields(Fault)}
    if unknown := entry.keys() - known:
        raise ValueError(f"{entry.get('id')}: unknown keys: {', '.join(sorted(unknown))}")
    try:
        return Fault(**{**entry, "tests": tuple(entry["tests"])})
    except (TypeError, KeyError) as error:
        raise ValueError(f"{entry.get('id')}: {error}") from error


def _ids(faults: Sequence[Fault]) -> Counter[str]:
    return Counter(fault.id for fault in faults)


def _problems(fault: Fault, root: Path) -> Iterator[str]:
    yield from _problems_of_text(fault, root)
    if not fault.tests:
        yield "names no test file"
    yield from (f"there is no test file {test}" for test in fault.tests if not (root / test).is_file())
    if fault.written_from not in ORIGINS:
        yield f"written_from is one of {', '.join(ORIGINS)}, not {fault.written_from!r}"
    if fault.written_from == "docs" and not (fault.page and (root / fault.page).is_file()):
        yield f"there is no page {fault.page!r}"


def _problems_of_text(fault: Fault, root: Path) -> Iterator[str]:
    file = root / fault.file
    if not file.is_file():
        yield f"there is no file {fault.file}"
        return
    if "\n" in fault.old + fault.new or fault.old == fault.new:
        yield "old and new are different fragments of one line"
        return
    text = file.read_text("utf-8")
    if (count := text.count(fault.old)) != 1:
        yield f"old occurs {count} times in {fault.file}"
        return
    try:
        compile(mutated(fault, text), fault.file, "exec")
    except SyntaxError as error:
        yield f"new does not compile: {error}"
