"""`make audit`: what fails it, and that "nothing found" is not said of what was not looked at."""

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests import audit
from tests.audit import Accepted, NotAudited, accepted_in, judge, main, read

TODAY = date(2026, 11, 30)
BAD = {"id": "GHSA-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2.0"], "description": ""}


def known(name: str, *vulns: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": list(vulns)}


def unknown(name: str) -> dict[str, Any]:
    return {"name": name, "skip_reason": f"Dependency not found and could not be audited: {name}"}


def program(tmp_path: Path, output: str, status: int = 0) -> list[str]:
    """A stand-in for pip-audit that prints this."""
    file = tmp_path / "stand_in.py"
    file.write_text(f"import sys; print({output!r}); sys.exit({status})", "utf-8")
    return [sys.executable, str(file)]


def test_nothing_known_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = json.dumps({"dependencies": [known("a"), known("b"), unknown("c")]})
    assert main(program(tmp_path, output)) == 0
    assert capsys.readouterr().out == (
        "not audited, unknown to the source: c\naudited: 2 packages, 0 findings that are not accepted\n"
    )


def test_a_finding_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = json.dumps({"dependencies": [known("a", BAD), known("b")]})
    assert main(program(tmp_path, output, status=1)) == 1
    assert "VULNERABLE a 1.0: CVE-2026-1, GHSA-1; fixed in 2.0\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("output", "status"),
    [
        (json.dumps({"dependencies": [unknown("a"), unknown("b")]}), 0),
        ("", 1),
        ("ConnectionError: no route", 1),
        ("[]", 0),
        ("{}", 1),
    ],
)
def test_what_nobody_looked_at_is_not_called_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str, status: int
) -> None:
    assert main(program(tmp_path, output, status)) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("not audited: ")


def test_without_pip_audit_nothing_is_audited(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["/nowhere/pip-audit"]) == 0
    assert capsys.readouterr().out.startswith("not audited: ")


@pytest.mark.parametrize(
    ("exception", "fails"),
    [
        (Accepted("CVE-2026-1", "a", "not called", TODAY), False),
        (Accepted("GHSA-1", "a", "not called", date(2027, 1, 1)), False),
        (Accepted("CVE-2026-1", "a", "not called", date(2026, 11, 29)), True),
        (Accepted("CVE-2026-1", "b", "not called", date(2027, 1, 1)), True),
        (Accepted("CVE-2026-2", "a", "not called", date(2027, 1, 1)), True),
    ],
)
def test_a_finding_is_accepted_with_a_reason_and_until_a_date(exception: Accepted, fails: bool) -> None:
    bad, notes = judge(read([known("a", BAD)]), [exception], TODAY)
    assert bool(bad) is fails
    assert any("not called" in note for note in notes) is not fails


def test_an_exception_that_is_not_needed_is_told() -> None:
    assert judge(read([known("a")]), [Accepted("CVE-2026-1", "a", "why", TODAY)], TODAY) == (
        [],
        ["no longer found, remove it: CVE-2026-1 of a"],
    )


@pytest.mark.parametrize(
    "line", ['reason = ""\nexpires = 2027-01-31', 'reason = "x"\nexpires = "2027-01-31"']
)
def test_an_exception_without_reason_or_date_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "exceptions.toml"
    file.write_text(f'[[exception]]\nid = "CVE-2026-1"\npackage = "a"\n{line}\n', "utf-8")
    with pytest.raises(ValueError, match="give a reason"):
        accepted_in(file)


def test_the_exceptions_of_this_repository_can_be_read() -> None:
    accepted_in(audit.FOLDER / "audit-exceptions.toml")


def test_a_source_that_knows_nothing_is_no_audit() -> None:
    with pytest.raises(NotAudited, match="none of the 1 packages"):
        read([unknown("a")])
