"""`brushwork webhooks` over a real outbox: output, exit status, errors."""

import json
from collections.abc import Callable, Iterator

import pytest
from brushwork.cli import main
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.outbox import Outbox

from tests.jobs import new_job

HOOK = "https://receiver.example/hook"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def outbox(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    """One event that was delivered, one that is dead and one that waits, in the environment's ledger."""
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", sqlite_url)
    database = Database(sqlite_url)
    ledger, outbox = Ledger(database), Outbox(database)
    for job_id in ("a", "b", "c"):
        ledger.submit([new_job(job_id, webhook_url=HOOK)])
        ledger.cancel(job_id)
        taken = outbox.take(1)
        if job_id == "a":
            outbox.delivered(taken[0], 204)
        if job_id == "b":
            outbox.mark_dead(taken[0], error="The receiver answered 500.", status=500)
    yield outbox
    database.close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(("webhooks", *arguments))
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return command


def test_a_list_for_people(outbox: Outbox, run: Run) -> None:
    status, out, _ = run("list")
    assert status == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:3] == ["event", "url", "delivery"]
    assert {line[0]: line[2] for line in lines[1:]}["b:canceled"] == "dead"
    assert {line[0]: line[2] for line in lines[1:]}["c:canceled"] == "due"


def test_a_list_for_programs(outbox: Outbox, run: Run) -> None:
    _, out, _ = run("list", "--json")
    by_id = {event["id"]: event for event in json.loads(out)}
    assert set(by_id) == {"a:canceled", "b:canceled", "c:canceled"}
    assert by_id["a:canceled"]["delivered_at"]
    assert by_id["b:canceled"]["last_error"] == "The receiver answered 500."
    _, out, _ = run("list", "--dead", "--json")
    assert [event["id"] for event in json.loads(out)] == ["b:canceled"]


def test_one_event_is_told_again(outbox: Outbox, run: Run) -> None:
    assert run("replay", "a:canceled")[:2] == (0, "a:canceled will be sent again.\n")
    assert [event.id for event in outbox.take(9)] == ["a:canceled"]


def test_all_dead_events_are_told_again(outbox: Outbox, run: Run) -> None:
    assert run("replay", "--dead")[:2] == (0, "1 events will be sent again.\n")
    assert outbox.list(dead=True) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replay",), "pass the id of an event"),
        (("replay", "a:canceled", "--dead"), "pass the id of an event"),
        (("replay", "x"), "There is no event 'x'"),
        (("send",), "required to sign webhooks"),
    ],
)
def test_what_is_wrong_is_said(outbox: Outbox, run: Run, arguments: tuple[str, ...], words: str) -> None:
    status, _, err = run(*arguments)
    # A missing setting is the operator's fault, a wrong argument the caller's.
    assert status == (78 if arguments == ("send",) else 2)
    assert words in err
