"""What the watch over an attacked process counts as its memory."""

import subprocess
import sys

import psutil
import pytest

from tests.attacks.attacked import Usage

# A process that says so when its child runs, and ends with its input.
FORKED = "import os, sys\nif os.fork():\n print('x', flush=True)\nsys.stdin.read()"
STARTED = (
    "import subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-c', 'import sys; print(1, flush=True); sys.stdin.read()'])\n"
    "sys.stdin.read()"
)


@pytest.mark.parametrize(("program", "is_counted"), [(FORKED, False), (STARTED, True)])
def test_a_child_counts_when_it_has_begun_its_own_program(program: str, is_counted: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        root = psutil.Process(process.pid)
        own = root.memory_info().rss
        found = Usage(process.pid)._before_bytes
        assert len(root.children()) == 1
        assert (found > 1.5 * own) is is_counted
        process.stdin.close()
