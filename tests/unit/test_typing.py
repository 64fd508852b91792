"""Type checkers see kinds, parameters and results of the clients: mypy --strict and pyright.

pyright is run as basedpyright in pyright's own standard mode. It comes with its Node from the package index.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import typed_clients

USES = Path(__file__).parents[1] / "typing_uses"
ROOT = Path(__file__).parents[2]
CHECKERS = ("mypy", "pyright")
MARK = "  # wrong"


def wrong_lines(checker: str, folder: Path, name: str) -> set[int]:
    """Lines of a file of uses where the checker finds an error.

    The file is copied away from the checkout, so that the clients are judged as an installed package.
    """
    file = folder / name
    shutil.copy(USES / name, file)
    if checker == "mypy":
        cache = ROOT / ".mypy_cache" / "typing_test"
        command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={cache}", str(file)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        assert ran.returncode in (0, 1), ran.stderr + ran.stdout
        return {int(line) for line in re.findall(rf"{re.escape(name)}:(\d+): error: ", ran.stdout)}
    rooms = [str(ROOT / room) for room in ("schemas", "core", "producer", "workers")]
    settings = {"typeCheckingMode": "standard", "extraPaths": rooms}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [
        sys.executable,
        "-m",
        "basedpyright",
        "--outputjson",
        "--pythonpath",
        sys.executable,
        str(file),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert ran.returncode in (0, 1), ran.stderr + ran.stdout
    found = json.loads(ran.stdout)["generalDiagnostics"]
    return {each["range"]["start"]["line"] + 1 for each in found if each["severity"] == "error"}


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_right_uses_are_typed(tmp_path: Path, checker: str) -> None:
    assert wrong_lines(checker, tmp_path, "right.py") == set()


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_each_wrong_use_is_found_and_no_other(tmp_path: Path, checker: str) -> None:
    lines = (USES / "wrong.py").read_text("utf-8").splitlines()
    marked = {number for number, line in enumerate(lines, 1) if line.endswith(MARK)}
    assert len(marked) > 70
    found = wrong_lines(checker, tmp_path, "wrong.py")
    assert sorted(marked - found) == []
    assert sorted(found - marked) == []


def test_the_typed_clients_are_those_of_the_kinds() -> None:
    outdated = typed_clients.outdated()
    assert outdated == [], "run: python -m tests.typed_clients --write"
