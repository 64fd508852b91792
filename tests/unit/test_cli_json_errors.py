"""Under `--json`, the command line prints an error as one JSON object, also that of a wrong command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from brushwork.cli import main
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_schemas.job import JobError

from tests.servers import free_port

Run = Callable[..., tuple[int, str, str]]
NAMES = {"code", "message", "field", "hint", "fault"}


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger that the environment names; its Redis is down."""
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("BRUSHWORK_ARTIFACTS_URL", str(tmp_path / "artifacts"))
    monkeypatch.setenv("BRUSHWORK_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    return Ledger(Database(sqlite_url))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process: exit status, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


@pytest.mark.parametrize(
    ("words", "code", "field", "status"),
    [
        (("submit", "text-to-imagge", "x"), "unknown_kind", "kind", 2),
        (("submit", "text-to-image", "x", "seed=-1"), "invalid_request", "seed", 2),
        (("submit", "text-to-image", "x", "steps=3"), "invalid_request", "steps", 2),
        (("submit", "image-to-text", "/none.png"), "invalid_image", "image", 2),
        (("show", "none"), "job_not_found", "id", 2),
        (("cancel", "none"), "job_not_found", "id", 2),
        (("delete", "none"), "job_not_found", "id", 2),
        (("jobs", "--newer-than", "soon"), "invalid_request", "newer-than", 2),
        # The command line itself is wrong.
        (("submit",), "invalid_request", "kind", 2),
        (("jobs", "--limit", "many"), "invalid_request", "limit", 2),
        (("jobs", "--state", "done"), "invalid_request", "state", 2),
        (("jobs", "--colour"), "invalid_request", None, 2),
        (("nothing",), "invalid_request", None, 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_each_error_is_one_object(
    ledger: Ledger, run: Run, words: tuple[str, ...], code: str, field: str | None, status: int
) -> None:
    ended, _, errors = run(*words, "--json")
    error = json.loads(errors)
    assert error.keys() == NAMES
    assert (error["code"], error["field"], error["fault"], ended) == (code, field, "caller", status)
    assert error["message"]


def test_a_service_that_is_away_is_the_machine_s_fault(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRUSHWORK_URL", f"http://127.0.0.1:{free_port()}")
    status, output, errors = run("jobs", "--json")
    assert (status, output, json.loads(errors)["code"]) == (3, "", "service_unreachable")
    assert json.loads(errors)["fault"] == "machine"


def test_output_and_error_do_not_mix(ledger: Ledger, run: Run) -> None:
    _, output, errors = run("submit", "text-to-image", "x", "--json")
    job_id = json.loads(output)["id"]
    assert errors == ""
    status, output, errors = run("wait", job_id, "--timeout", "0", "--json")
    assert (status, output, json.loads(errors)["code"]) == (4, "", "wait_timeout")
    claim = ledger.claim(job_id, "worker")
    assert claim is not None
    ledger.fail(job_id, claim.fence, JobError(code="internal", message="It broke.", fault="machine"))
    status, output, errors = run("wait", job_id, "--json")
    assert (status, json.loads(output)["state"], json.loads(errors)["code"]) == (1, "failed", "job_failed")


def test_words_after_two_dashes_are_no_option(ledger: Ledger, run: Run) -> None:
    status, _, errors = run("submit", "text-to-imagge", "--", "--json")
    assert (status, errors.startswith("Error: ")) == (2, True)


def test_without_the_option_errors_are_text(ledger: Ledger, run: Run) -> None:
    assert run("show", "none")[2].startswith("Error: There is no job")
    assert "Missing argument" in run("show")[2]


def test_help_is_help(run: Run) -> None:
    status, output, errors = run("delete", "--help", "--json")
    assert (status, errors) == (0, "")
    assert "Delete jobs that have ended" in output


def test_jobs_are_deleted_up_to_the_first_that_can_t_be(ledger: Ledger, run: Run) -> None:
    one, two, three = (run("submit", "text-to-image", "x")[1].strip() for _ in range(3))
    for job_id in (one, three):
        run("cancel", job_id)
    status, output, errors = run("delete", one, two, three, "--json")
    assert (status, json.loads(output), json.loads(errors)["code"]) == (
        2,
        {"deleted": [one]},
        "job_not_ended",
    )
    assert "Cancel it first" in json.loads(errors)["hint"]
    status, output, errors = run("delete", three)
    assert (status, output.strip(), errors) == (0, f"deleted {three}", "")
    assert [job["id"] for job in json.loads(run("jobs", "--json")[1])] == [two]
