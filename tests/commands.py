"""Command lines run in the test's own process."""

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
    """Run `brushwork` with these arguments."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    captured = capsys.readouterr()
    return Answer(int(ended.value.code or 0), captured.out, captured.err)
