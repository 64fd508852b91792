"""The list of one-line faults fits the tree, and its runner tells which of them the tests notice."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.__main__ import ROOT, main
from tests.mutants.copied_tree import CopiedTree
from tests.mutants.faults import Fault, problems, read_faults
from tests.mutants.trial import Verdict, tried

PROJECT = """
[tool.hatch.build.targets.wheel]
packages = ["schemas/orchard"]
"""
PACKAGE = """
def is_ripe(days: int) -> bool:
    return days > 10

def is_sweet(days: int) -> bool:
    return days > 20
"""
TESTS = """
from orchard import is_ripe, is_sweet

def test_a_fruit_ripens_after_ten_days():
    assert [is_ripe(10), is_ripe(11)] == [False, True]

def test_a_ripe_fruit_is_sweet_at_last():
    assert is_sweet(30)
"""
LIST = """
[[fault]]
id = "noticed"
file = "schemas/orchard/__init__.py"
old = "days > 10"
new = "days >= 10"
promise = "A fruit is ripe after ten days."
written_from = "code"
tests = ["tests/test_orchard.py"]

[[fault]]
id = "unnoticed"
file = "schemas/orchard/__init__.py"
old = "days > 20"
new = "days >= 20"
promise = "A fruit is sweet after twenty days."
written_from = "code"
tests = ["tests/test_orchard.py"]
"""


@pytest.fixture
def orchard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small tree with two faults, of which its tests notice one."""
    # Its tests need no plug-in, and to load those that are installed takes longer than the tests.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    root = tmp_path / "orchard"
    for name, text in {
        "pyproject.toml": PROJECT,
        "schemas/orchard/__init__.py": PACKAGE,
        "tests/test_orchard.py": TESTS,
        "faults.toml": LIST,
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def faults_of(orchard: Path) -> tuple[Fault, Fault]:
    noticed, unnoticed = read_faults(orchard / "faults.toml")
    return noticed, unnoticed


def test_each_fault_can_be_applied_to_the_tree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_half_of_the_faults_are_from_the_docs() -> None:
    assert Counter(fault.written_from for fault in read_faults()) == {"docs": 15, "code": 15}


def test_one_is_killed_and_one_survives(orchard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], root=orchard, file=orchard / "faults.toml") == 1
    said = capsys.readouterr().out
    verdicts = [line.split()[0] for line in said.splitlines() if line.startswith(("killed", "survived"))]
    assert verdicts == ["killed", "survived"]
    assert "1 of 2 faults killed" in said
    assert (orchard / "schemas/orchard/__init__.py").read_text() == PACKAGE


def test_one_alone_may_be_asked_for(orchard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "noticed"], root=orchard, file=orchard / "faults.toml") == 0
    assert "1 of 1 faults killed" in capsys.readouterr().out
    assert main(["--only", "nothing"], root=orchard, file=orchard / "faults.toml") == 2


def test_a_fault_that_hangs_is_killed_only_if_it_is_to_hang(orchard: Path) -> None:
    # Each run is ended before its tests begin, which is as good as a test that waits without end.
    noticed, _ = faults_of(orchard)
    with CopiedTree.of(orchard) as tree:
        assert tried(noticed, tree, 0.0).verdict is Verdict.TIMEOUT
        assert tried(replace(noticed, hangs=True), tree, 0.0).verdict is Verdict.KILLED


def test_tests_that_can_not_be_run_prove_nothing(orchard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is missing stops pytest before the first test."""
    noticed, _ = faults_of(orchard)
    with CopiedTree.of(orchard) as tree:
        fault = replace(noticed, old="def is_ripe", new="def was_ripe")
        assert tried(fault, tree).verdict is Verdict.ERROR


def test_tests_that_fail_without_the_fault_prove_nothing(
    orchard: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (orchard / "tests/test_orchard.py").write_text(TESTS.replace("is_sweet(30)", "is_sweet(3)"))
    assert main(["--only", "noticed"], root=orchard, file=orchard / "faults.toml") == 1
    assert "does not pass without the fault" in capsys.readouterr().out


def test_the_copy_is_whole_again_after_a_fault(orchard: Path) -> None:
    noticed, _ = faults_of(orchard)
    for name in ("demo", "schemas/orchard/demo"):
        (orchard / name).mkdir()
    with CopiedTree.of(orchard) as tree:
        tree.check_imports()
        assert [found.relative_to(tree.root).as_posix() for found in tree.root.rglob("demo")] == [
            "schemas/orchard/demo"
        ], "what a command makes at the top is left out"
        file = tree.root / noticed.file
        with tree.changed(noticed):
            assert "days >= 10" in file.read_text()
        assert file.read_text() == PACKAGE
    assert not tree.root.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"old": "days"}, "occurs 4 times"),
        ({"old": "weeks"}, "occurs 0 times"),
        ({"new": "days > 10"}, "different fragments"),
        ({"old": "10\n", "new": "11\n"}, "different fragments"),
        ({"new": "days >"}, "does not compile"),
        ({"file": "schemas/orchard/nothing.py"}, "no file"),
        ({"tests": ()}, "no test file"),
        ({"tests": ("tests/test_nothing.py",)}, "no test file"),
        ({"written_from": "memory"}, "written_from"),
        ({"written_from": "docs"}, "no page"),
    ],
)
def test_a_bad_entry_is_named(orchard: Path, changes: dict[str, object], words: str) -> None:
    noticed, _ = faults_of(orchard)
    (found,) = problems([replace(noticed, **changes)], orchard)  # type: ignore[arg-type]
    assert found.startswith("noticed: ")
    assert words in found


def test_an_id_that_is_there_twice_is_named(orchard: Path) -> None:
    noticed, _ = faults_of(orchard)
    assert problems([noticed, noticed], orchard) == ["noticed: occurs 2 times"]


@pytest.mark.parametrize("text", [LIST + "\nhope = 1", '[[fault]]\nid = "a"\ntests = []'])
def test_an_entry_of_unknown_form_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"unnoticed|a: "):
        read_faults(file)


def test_the_tree_is_the_repository_s() -> None:
    assert (ROOT / "pyproject.toml").is_file()
