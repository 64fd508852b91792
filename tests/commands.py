"""Command lines run in the test's own process."""

import logging
from dataclasses import dataclass

import pytest
from brushwork.cli import main


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


def run_command(capsys: pytest.CaptureFixture[str], *arguments: str) -> Answer:
    """Run `brushwork` with these arguments. The log of this process is afterwards as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
    finally:
        # A service writes its log to the standard error of this test, which is closed at the end of the test.
        root.handlers[:] = handlers
        root.setLevel(level)
    captured = capsys.readouterr()
    return Answer(int(ended.value.code or 0), captured.out, captured.err)
