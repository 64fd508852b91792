"""All that a process writes is JSON if JSON was asked for, also past Python, and its last words."""

import json
import subprocess
import sys
from typing import Any

import pytest
from brushwork_core.telemetry.line_filter import LONGEST_LINE, Lines, json_line, without_secrets

BEGIN = """
import ctypes, faulthandler, logging, os, signal, subprocess, sys, threading, warnings
from brushwork_core.telemetry import log
log.capture("json")
log.set_up("json")
"""


def written(code: str, *, status: int = 0, err: int = subprocess.STDOUT) -> list[dict[str, Any]]:
    """The lines that a process writes, each of which is a JSON object."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code], stdout=subprocess.PIPE, stderr=err, timeout=60, check=False
    )
    assert done.returncode == status, done.stdout
    lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    return lines


def messages(code: str, **options: Any) -> list[str]:
    return [line["message"] for line in written(code, **options)]


# What a process does, and the line that comes of it.
DEEDS = {
    "print('a print')": "a print",
    "print()\nprint('x')\nsys.stderr.write('\\n\\n')": "x",
    "sys.stderr.write('\\r 10%|#'), sys.stderr.write('\\r100%|##'), sys.stderr.write('\\n')": "100%|##",
    "warnings.warn('careful')": "careful",
    "os.write(1, b'past Python\\n')": "past Python",
    "ctypes.CDLL(None).puts(b'from C'); ctypes.CDLL(None).fflush(None)": "from C",
    "subprocess.run(['echo', 'a child'])": "a child",
    "sys.stdout.buffer.write(b'bytes\\n')": "bytes",
    "print('红色', file=sys.__stderr__)": "红色",
    """
library = logging.getLogger('transformers')
library.addHandler(logging.StreamHandler())
library.propagate = False
logging.getLogger('transformers.models').warning('of a library')
""": "of a library",
    "import celery.apps.worker as w; w.safe_say('worker: Warm', sys.__stderr__)": "worker: Warm",
    "threading.Thread(target=lambda: print('a thread', end='')).start()": "a thread",
    "sys.stdout.writelines(['without ', 'an end'])": "without an end",
    "os.write(2, b'no end')": "no end",
}


def test_each_deed_is_one_line_of_the_log() -> None:
    found = messages("\n".join(DEEDS))
    assert len(found) == len(DEEDS)
    for expected in DEEDS.values():
        assert [message for message in found if expected in message] != [], expected


def test_a_print_has_the_context_of_the_log() -> None:
    [line] = written("with log.bound(job='a'): print('a print of a library')")
    assert (line["job"], line["logger"], line["level"]) == ("a", "stdout", "INFO")


def test_threads_do_not_mix_their_lines() -> None:
    code = """
def work(name):
    for _ in range(200):
        for part in (name, "-", name, "\\n"):
            sys.stderr.write(part)
threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    found = messages(code)
    assert sorted(set(found)) == ["a-a", "b-b", "c-c", "d-d"]
    assert len(found) == 800


def test_an_error_that_nobody_caught_is_one_line() -> None:
    [line] = written("1 / 0", status=1)
    assert (line["level"], line["message"]) == ("CRITICAL", "Uncaught exception")
    assert "ZeroDivisionError" in line["exc_info"]


def test_an_error_that_ends_a_thread_is_one_line() -> None:
    code = "thread = threading.Thread(target=lambda: 1 / 0, name='w'); thread.start(); thread.join()"
    [line] = written(code)
    assert line["message"] == "Uncaught exception in thread w"
    assert "ZeroDivisionError" in line["exc_info"]


def test_an_error_in_a_finaliser_is_a_line() -> None:
    [line] = written("class A:\n    def __del__(self): 1 / 0\na = A()\ndel a")
    assert "ZeroDivisionError" in line["exc_info"]


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("os._exit(7)", 7),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("os.kill(os.getpid(), signal.SIGTERM)", -15),
        ("os.abort()", -6),
    ],
)
def test_the_last_words_of_a_process_are_lines(end: str, status: int) -> None:
    found = messages(f"faulthandler.enable(); os.write(2, b'last words\\n'); {end}", status=status)
    assert "last words" in found
    assert any("Fatal Python error" in message for message in found) == (status == -6)


def test_more_than_a_pipe_holds_blocks_nobody() -> None:
    """A library in C may hold Python's lock while it writes."""
    code = "c = ctypes.PyDLL(None)\nfor _ in range(2000): c.puts(b'x' * 200)\nc.fflush(None)"
    assert messages(code) == ["x" * 200] * 2000


def test_text_stays_as_it_is() -> None:
    code = BEGIN.replace("json", "text") + "print('a print'); os.write(2, b'past Python\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("a print\n", "past Python\n")


SECRETS = (
    "redis://:s3cret@host:6379/0",
    "postgresql+psycopg://user:s3cret@host/name",
    "Error at amqp://a:s3cret@b: refused",
    "Authorization: Bearer bw_ab12cd_s3cretS3cretS3cretS3cret",
    "{'url': 'http://u:s3cret@h/'}",
    "a http://u:s3cret@one and http://v:s3cret@two",
)


def test_no_secret_is_in_a_line() -> None:
    ways = ("print({0})", "os.write(2, {0}.encode() + b'\\n')", "logging.error('%s', {0})")
    found = written("\n".join(way.format(repr(secret)) for secret in SECRETS for way in ways))
    assert len(found) == len(SECRETS) * len(ways)
    assert "s3cret" not in json.dumps(found).lower()
    assert all("***" in line["message"] for line in found)


@pytest.mark.parametrize(
    "text",
    ["http://host:80/path?x=a@b", '{"a": "http://h:80", "b": "c@d"}', "bw_ab", "no address", "12:30 a@b"],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_a_line_without_an_end_is_cut_into_pieces() -> None:
    found: list[str] = []
    lines = Lines(found.append)
    for _ in range(10):
        lines.write("x" * LONGEST_LINE)
    lines.end()
    assert sum(map(len, found)) == 10 * LONGEST_LINE
    assert max(map(len, found)) <= 2 * LONGEST_LINE


def test_a_line_that_is_json_already_stays() -> None:
    assert json_line('{"a": 1}', "stderr") == '{"a": 1}'
    for text in ("[1]", "12", "{not json}", "null"):
        assert json.loads(json_line(text, "stderr") or "")["message"] == text
    for text in ("", "  ", "\r", "\r\r", "\t"):
        assert json_line(text, "stderr") is None
