"""Pictures in the terminal: half blocks in colour in a plain one, nothing in a pipe."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from PIL import Image

SHOW = """
import sys
from pathlib import Path
from brushwork.cli.terminal_picture import show_picture
show_picture(Path(sys.argv[1]).read_bytes())
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    Image.new("RGB", (64, 64), (220, 40, 40)).save(tmp_path / "red.png")
    return [sys.executable, "-c", SHOW, str(tmp_path / "red.png")]


def test_a_terminal_shows_half_blocks_in_colour(command: list[str]) -> None:
    shown = in_terminal(command, rows=40, columns=80)
    assert "▀" in shown
    assert "38;2;220;40;40" in shown
    assert "Traceback" not in shown


def test_a_terminal_of_no_size_shows_nothing(command: list[str]) -> None:
    assert "▀" not in in_terminal(command, rows=0, columns=0)


def test_a_pipe_gets_nothing(command: list[str]) -> None:
    assert subprocess.run(command, capture_output=True, check=True).stdout == b""


def in_terminal(command: list[str], *, rows: int, columns: int) -> str:
    """What a program prints to a terminal of that size that knows nothing but colours."""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(command, stdin=end, stdout=end, stderr=end, env=environment)
    os.close(end)
    shown = bytearray()
    with process:
        try:
            while part := os.read(terminal, 65536):
                shown += part
        except OSError:
            # How Linux says that nobody writes any more.
            pass
        finally:
            os.close(terminal)
    assert process.returncode == 0, shown.decode()
    return shown.decode()
