"""What the processes of a test run share is started once."""

import re
from pathlib import Path

import pytest

from tests.scheduling import LONG, SHARED, shared_by, turn

TOP = Path(__file__).parents[2]
FILES = sorted(file.relative_to(TOP).as_posix() for file in (TOP / "tests").rglob("test_*.py"))
UP, FORKED, ATTACKED = SHARED
# In the text of a file that uses them.
MARKS = {
    UP: re.compile(r"\brunning_up: Up\b|\bstack: Settings\b"),
    ATTACKED: re.compile(r"\battacked_gateway: Attacked\b"),
    FORKED: re.compile(r"from tests\.(chaos\.scene|serving) import|\bWorkerProcess\((?!.*by_command=True)"),
}


@pytest.mark.parametrize("what", SHARED)
def test_all_files_that_use_it_run_in_one_process(what: str) -> None:
    users = [file for file in FILES if MARKS[what].search((TOP / file).read_text("utf-8"))]
    assert len(users) >= 3
    assert {file: shared_by(file) for file in users} == dict.fromkeys(users, what)


def test_every_named_file_is_there() -> None:
    patterns = [*LONG, *(each for files in SHARED.values() for each in files)]
    assert [each for each in patterns if not list(TOP.glob(each))] == []


def test_long_files_come_first_and_unit_tests_last() -> None:
    order = sorted(FILES, key=turn)
    assert shared_by(order[0]) == UP
    assert order.index(LONG[0]) < order.index("tests/integration/test_broker.py")
    assert {file.startswith("tests/unit/") for file in order[len(order) // 2 :]} == {True}
