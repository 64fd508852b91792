"""The supervisor over fake parts: small shell and Python programs that live, die and resist as told."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from brushwork.embedded.child import LEASH, Part
from brushwork.embedded.supervisor import PartFailed, RestartBackoff, Supervisor

from tests.servers import wait_until

QUICK = RestartBackoff(first_s=0.01, longest_s=0.04, stable_s=60)
FOREVER = "while :; do sleep 0.05; done"


class Heard:
    """All lines that the parts printed."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, part: str, line: str) -> None:
        self.lines.append((part, line))

    def of(self, part: str) -> list[str]:
        return [line for name, line in self.lines if name == part]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def supervisor(heard: Heard) -> Iterator[Supervisor]:
    supervisor = Supervisor(heard, backoff=QUICK)
    yield supervisor
    supervisor.request_stop()
    supervisor.stop()


def shell(name: str, script: str, *, grace_s: float = 5.0, **environment: str) -> Part:
    return Part(name, ("/bin/sh", "-c", script), environment, grace_s=grace_s)


def within(condition: Callable[[], bool], bound_s: float = 10.0) -> Callable[[], bool]:
    """A condition for `run` that fails the test when it does not come true."""
    deadline = time.monotonic() + bound_s

    def attempts() -> bool:
        assert time.monotonic() < deadline, "it did not happen in time"
        return condition()

    return attempts


def test_lines_reach_the_listener_with_the_parts_name(supervisor: Supervisor, heard: Heard) -> None:
    supervisor.start(shell("a", f'echo "one $WORD"; echo two >&2; {FOREVER}', WORD="word"))
    assert supervisor.run(within(lambda: len(heard.lines) == 2))
    assert heard.of("a") == ["one word", "two"]


def test_a_part_that_died_is_started_again(supervisor: Supervisor, heard: Heard) -> None:
    supervisor.start(shell("a", f"echo up; {FOREVER}"))
    supervisor.run(within(lambda: "up" in heard.of("a")))
    first = supervisor.pids()["a"]
    os.kill(first, signal.SIGKILL)
    assert supervisor.run(within(lambda: heard.of("a").count("up") == 2))
    assert supervisor.pids()["a"] != first
    assert any("status -9" in line for line in heard.of("a"))


def test_a_part_that_always_dies_fails_the_start_with_its_last_words(supervisor: Supervisor) -> None:
    supervisor.start(shell("a", "echo no port; exit 3"))
    with pytest.raises(PartFailed, match="failed 3 times, the last time with exit status 3") as caught:
        supervisor.run(within(lambda: False), max_deaths=3)
    assert "no port" in (caught.value.hint or "")


def test_the_pauses_grow_up_to_their_bound() -> None:
    pauses = [RestartBackoff(first_s=0.5, longest_s=3).pause_s(deaths) for deaths in (1, 2, 3, 4, 500)]
    assert pauses == [0.5, 1, 2, 3, 3]


def test_a_wish_to_stop_from_another_thread_ends_run(supervisor: Supervisor) -> None:
    supervisor.start(shell("a", FOREVER))
    threading.Timer(0.05, supervisor.request_stop).start()
    assert supervisor.run() is False


def test_parts_stop_in_reverse_order_each_when_the_one_before_has_ended(
    supervisor: Supervisor, heard: Heard
) -> None:
    for name in ("first", "second"):
        supervisor.start(shell(name, f"trap 'sleep 0.1; echo bye; exit' TERM; echo up; {FOREVER}"))
    supervisor.run(within(lambda: len(heard.lines) == 2))
    supervisor.stop()
    wait_until(lambda: len(heard.lines) == 4)
    assert heard.lines[2:] == [("second", "bye"), ("first", "bye")]
    assert supervisor.pids() == {}


def test_a_part_that_does_not_stop_is_killed_after_its_grace(supervisor: Supervisor, heard: Heard) -> None:
    supervisor.start(shell("a", f"trap '' TERM; echo up; {FOREVER}", grace_s=0.2))
    supervisor.run(within(lambda: "up" in heard.of("a")))
    process = psutil.Process(supervisor.pids()["a"])
    supervisor.stop()
    assert not process.is_running()


def test_a_second_wish_to_stop_cuts_the_grace_short(supervisor: Supervisor, heard: Heard) -> None:
    supervisor.start(shell("a", f"trap '' TERM; echo up; {FOREVER}", grace_s=200))
    supervisor.run(within(lambda: "up" in heard.of("a")))
    threading.Timer(0.05, supervisor.request_stop).start()
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began < 10


def test_killing_a_part_takes_its_own_children_along(supervisor: Supervisor, heard: Heard) -> None:
    supervisor.start(shell("a", f"trap '' TERM; sleep 600 & echo $!; {FOREVER}", grace_s=0.1))
    supervisor.run(within(lambda: bool(heard.of("a"))))
    grandchild = int(heard.of("a")[0])
    supervisor.stop()
    wait_until(lambda: not runs(grandchild))


def test_ctrl_c_in_the_terminal_does_not_reach_the_parts(supervisor: Supervisor) -> None:
    supervisor.start(shell("a", FOREVER))
    pid = supervisor.pids()["a"]
    assert os.getpgid(pid) == pid != os.getpgid(0)


@pytest.mark.parametrize("how", ["by the kernel", "by a watcher"])
def test_a_leashed_program_ends_when_its_parent_is_killed(tmp_path: Path, how: str) -> None:
    # The parent starts a leashed `sleep` and says its process id.
    watched = "sys.platform = 'other';" if how == "by a watcher" else ""
    child = f"import runpy, sys; {watched} runpy.run_path({str(LEASH)!r}, run_name='__main__')"
    parent = (
        "import os, subprocess, sys\n"
        f"leash = [sys.executable, '-c', {child!r}, str(os.getpid()), '9', 'sleep', '600']\n"
        "print(subprocess.Popen(leash).pid, flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        orphan = int(process.stdout.readline())
        wait_until(lambda: psutil.Process(orphan).name() == "sleep")
        process.kill()
    wait_until(lambda: not runs(orphan))


def runs(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be buried."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
