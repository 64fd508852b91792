"""`make audit`: whether a package of a release has a known vulnerability. It needs pip-audit and its source.

pip-audit calls a package that its source does not know "skipped", and ends well although it has looked at
nothing. Here, a package counts as audited only if the source knows it; if it knows none, the answer is "not
audited". Known findings are in `requirements/audit-exceptions.toml`, with a reason and a date.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "requirements"
TIMEOUT_S = 600
MOST_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """A known vulnerability.

    Args:
        package: Name of the package.
        version: Its version.
        ids: Names of the vulnerability.
        fixes: Versions that have it no more.
    """

    package: str
    version: str
    ids: frozenset[str]
    fixes: tuple[str, ...] = ()

    def __str__(self) -> str:
        fixed = f"; fixed in {', '.join(self.fixes)}" if self.fixes else ""
        return f"{self.package} {self.version}: {', '.join(sorted(self.ids))}{fixed}"


@dataclass(frozen=True)
class Accepted:
    """A finding that is accepted until a date."""

    id: str
    package: str
    reason: str
    expires: date


@dataclass(frozen=True)
class Report:
    """What pip-audit has found.

    Args:
        audited: Names of the packages that its source knows.
        skipped: Names of the others.
        findings: What is known about the first.
    """

    audited: frozenset[str]
    skipped: frozenset[str]
    findings: tuple[Finding, ...]


class NotAudited(Exception):
    """The packages could not be audited, whether they are good or not."""


def audit(files: Sequence[Path], command: Sequence[str]) -> Report:
    """Run pip-audit on files of requirements with hashes.

    Raises:
        NotAudited: It does not answer as it should, as without a network, or its source knows no package.
    """
    options = ["--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    named = [part for file in files for part in ("-r", str(file))]
    try:
        ended = subprocess.run(
            [*command, *options, *named], capture_output=True, text=True, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAudited(str(error)) from error
    try:
        return read(json.loads(ended.stdout)["dependencies"])
    except (ValueError, KeyError, TypeError) as error:
        last = (ended.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise NotAudited(f"pip-audit ended with status {ended.returncode}: {last[:300]}") from error


def read(dependencies: Iterable[dict[str, Any]]) -> Report:
    """Return what pip-audit's JSON says.

    Raises:
        NotAudited: Its source knows none of the packages.
    """
    audited, skipped, findings = set(), set(), set()
    for dependency in dependencies:
        name = dependency["name"]
        if "skip_reason" in dependency:
            skipped.add(name)
            continue
        audited.add(name)
        for each in dependency["vulns"]:
            ids = frozenset([each["id"], *each["aliases"]])
            findings.add(Finding(name, dependency["version"], ids, tuple(each["fix_versions"])))
    if not audited:
        raise NotAudited(f"the source knows none of the {len(skipped)} packages")
    return Report(frozenset(audited), frozenset(skipped), tuple(sorted(findings, key=str)))


def accepted_in(file: Path) -> list[Accepted]:
    """Return the exceptions of a file.

    Raises:
        ValueError: One has no reason or no date.
    """
    entries = tomllib.loads(file.read_text("utf-8")).get("exception", [])
    accepted = [Accepted(**entry) for entry in entries]
    for entry in accepted:
        if not str(entry.reason).strip() or type(entry.expires) is not date:
            raise ValueError(f"{entry.id}: give a reason, and a date as expires = 2027-01-31")
    return accepted


def judge(report: Report, accepted: Sequence[Accepted], today: date) -> tuple[list[str], list[str]]:
    """Return the lines about what fails the audit, and the other lines."""
    bad, notes, used = [], [], set()
    for finding in report.findings:
        fitting = [each for each in accepted if each.id in finding.ids and each.package == finding.package]
        used.update(fitting)
        if not fitting:
            bad.append(str(finding))
        elif max(each.expires for each in fitting) < today:
            bad.append(f"{finding}. It was accepted until {max(each.expires for each in fitting)}.")
        else:
            notes.append(f"accepted: {finding}. {fitting[0].reason} (until {fitting[0].expires})")
    notes += [
        f"no longer found, remove it: {each.id} of {each.package}" for each in accepted if each not in used
    ]
    if report.skipped:
        names = sorted(report.skipped)
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        notes.append(f"not audited, unknown to the source: {', '.join(names[:MOST_NAMED])}{more}")
    return bad, notes


def main(command: Sequence[str] = (sys.executable, "-m", "pip_audit")) -> int:
    """Audit, print what was found, and return the exit status: 1 for a finding that is not accepted."""
    accepted = accepted_in(FOLDER / "audit-exceptions.toml")
    try:
        report = audit(sorted(FOLDER.glob("*.txt")), command)
    except NotAudited as error:
        print(f"not audited: {error}")
        return 0
    bad, notes = judge(report, accepted, datetime.now(UTC).date())
    for line in (*notes, *(f"VULNERABLE {line}" for line in bad)):
        print(line)
    print(f"audited: {len(report.audited)} packages, {len(bad)} findings that are not accepted")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
