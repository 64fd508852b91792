"""Runs the tests of one fault in a copy of the tree, within a time limit."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

import pytest

from tests.mutants.copied_tree import CopiedTree
from tests.mutants.faults import Fault

LIMIT_S = 60.0
# What a test run that is stopped may take to stop its servers.
STOPPING_S = 10.0
SHOWN_CHARACTERS = 3000


class Verdict(StrEnum):
    """What became of a fault."""

    KILLED = "killed"
    SURVIVED = "survived"
    TIMEOUT = "timeout"
    """The tests did not end within the limit."""
    ERROR = "error"
    """The tests could not be run, or they fail without the fault too."""
    NOT_RUN = "not run"
    """The limit for all faults together was reached before."""


@dataclass(frozen=True)
class Trial:
    """The result of one run.

    Args:
        verdict: What became of the fault.
        took_s: Seconds, the start of Python included.
        output: The end of what pytest printed.
    """

    verdict: Verdict
    took_s: float
    output: str = ""


_VERDICTS = {pytest.ExitCode.TESTS_FAILED: Verdict.KILLED, pytest.ExitCode.OK: Verdict.SURVIVED}


def tried(fault: Fault, tree: CopiedTree, limit_s: float = LIMIT_S) -> Trial:
    """Apply the fault and run each of its test files; it is killed if each of them fails.

    Args:
        fault: Which.
        tree: A copy that has no fault.
        limit_s: Seconds for all of the fault's test files together.
    """
    began, trial = time.monotonic(), Trial(Verdict.ERROR, 0.0)
    with tree.changed(fault):
        for test in fault.tests:
            trial = tested(test, tree, limit_s - (time.monotonic() - began))
            if trial.verdict is Verdict.TIMEOUT and fault.hangs:
                trial = Trial(Verdict.KILLED, trial.took_s, trial.output)
            if trial.verdict is not Verdict.KILLED:
                break
    return Trial(trial.verdict, time.monotonic() - began, trial.output)


def tested(test: str, tree: CopiedTree, limit_s: float) -> Trial:
    """Run one test file as the tree is; the verdict is `survived` if all of its tests pass."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", test]
    with tempfile.TemporaryFile() as printed:
        # A process group of its own, so that a run that hangs is ended with all that it has started.
        process = subprocess.Popen(
            command, cwd=tree.root, env=tree.environment, stdin=subprocess.DEVNULL,
            stdout=printed, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(max(0.0, limit_s))
            verdict = _VERDICTS.get(pytest.ExitCode(code), Verdict.ERROR) if 0 <= code <= 5 else Verdict.ERROR
        except subprocess.TimeoutExpired:
            verdict = Verdict.TIMEOUT
        finally:
            _end(process)
        return Trial(verdict, time.monotonic() - began, _last_words(printed))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the run and all of its process group; servers are stopped by their fixtures if there is time."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOPPING_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_words(printed: IO[bytes]) -> str:
    printed.seek(0)
    return printed.read().decode(errors="replace")[-SHOWN_CHARACTERS:]
