"""`brushwork prune --every`: again and again, through an outage, until a signal."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger

from tests.commands import run_command
from tests.jobs import new_job
from tests.servers import wait_until

END_S = 20.0


class Pruning:
    """One life of `brushwork prune --every`."""

    def __init__(self, url: str, folder: Path, *options: str) -> None:
        self._log = folder / "prune.log"
        given = {"BRUSHWORK_DATABASE_URL": url, "BRUSHWORK_ARTIFACTS_URL": str(folder / "artifacts")}
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "brushwork", "prune", "--every", "0.1s", *options],
                env={**os.environ, **given}, stdout=output, stderr=output,
            )  # fmt: skip

    def said(self) -> str:
        return self._log.read_text("utf-8")

    def wait(self, words: str, times: int = 1) -> None:
        wait_until(lambda: len(re.findall(words, self.said())) >= times, what=words, look_s=0.05)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_S)


def test_ended_jobs_are_removed_again_and_again(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url)
    ledger = Ledger(database)
    ledger.submit([new_job("a")])
    assert ledger.cancel("a")
    pruning = Pruning(sqlite_url, tmp_path, "--older-than", "0s")
    try:
        pruning.wait("Removed 1 jobs")
        pruning.wait("Removed 0 jobs", times=2)
        assert pruning.stop() == 0
    finally:
        pruning.process.kill()
        database.close()


def test_an_outage_ends_a_run_only(tmp_path: Path) -> None:
    pruning = Pruning("postgresql+psycopg://b:own@127.0.0.1:1/b", tmp_path)
    try:
        pruning.wait("Nothing more was removed: The database does not answer", times=2)
        assert pruning.stop() == 0
    finally:
        pruning.process.kill()


@pytest.mark.parametrize("option", ["--every", "--older-than"])
def test_a_wrong_time_is_refused_at_once(capsys: pytest.CaptureFixture[str], option: str) -> None:
    answer = run_command(capsys, "prune", option, "sometimes")
    assert answer.status == 2
    assert "is not a duration" in answer.err


def test_never_removes_no_job_that_has_not_asked_for_it(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("BRUSHWORK_ARTIFACTS_URL", str(tmp_path / "artifacts"))
    database = Database(sqlite_url)
    ledger = Ledger(database)
    ledger.submit([new_job("a")])
    assert ledger.cancel("a")
    database.close()
    assert "Removed 0 jobs" in run_command(capsys, "prune", "--older-than", "never").out
    assert "Removed 1 jobs" in run_command(capsys, "prune", "--older-than", "0s").out


def test_what_waiting_does_not_cure_ends_it(
    postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", postgres_url.replace("/ledger?", "/missing?"))
    answer = run_command(capsys, "prune", "--every", "1h")
    assert (answer.status, "does not exist" in answer.err) == (78, True)
