"""The sender of webhooks: one among several, stopped, counted, and as a process of its own."""

import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from brushwork.webhooks.metrics import DeliveryOutcome, SenderMetrics
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.outbox import Outbox
from brushwork_core.telemetry.process_reports import ProcessReports
from sqlalchemy import update

from tests.jobs import ERROR, claimed, new_job, overdue, result_of
from tests.receivers import BOUND_S, SECRET, Receiver, Sending, hold, status
from tests.servers import wait_until
from tests.telling import HOUR_S, TRACEPARENT, bounds, ended, the_event, wait_for


class Records(logging.Handler):
    """The sender's complaints, from `with` to its end."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def __enter__(self) -> Self:
        logging.getLogger("brushwork.webhooks").addHandler(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        logging.getLogger("brushwork.webhooks").removeHandler(self)


def test_each_end_has_one_id_however_many_senders_there_are(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox
) -> None:
    names = ("done", "broken", "withdrawn", "late", "refused")
    ledger.submit([new_job(name, webhook_url=receiver.url, deadline_s=HOUR_S) for name in names[:-1]])
    with ExitStack() as senders:
        for _ in range(3):
            senders.enter_context(Sending(bounds(), database))
        ledger.complete("done", claimed(ledger, "done").fence, result_of(1))
        ledger.fail("broken", claimed(ledger, "broken").fence, ERROR)
        ledger.cancel("withdrawn")
        overdue(database, "late")
        ledger.expire_queued()
        ledger.refuse(new_job("refused", webhook_url=receiver.url), ERROR)
        for name in names[:-1]:
            ledger.cancel(name)
        wait_for(outbox, *names)
    assert sorted(receiver.ids) == [
        "broken:failed", "done:succeeded", "late:expired", "refused:failed", "withdrawn:canceled",
    ]  # fmt: skip
    types = {json.loads(heard.body)["type"] for heard in receiver.heard}
    assert types == {"job.succeeded", "job.failed", "job.canceled", "job.expired"}


def test_a_sender_that_stops_gives_back_what_got_no_answer(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox
) -> None:
    receiver.replies += [hold]
    ended(ledger, receiver.url, "a")
    with Sending(bounds(), database, closing_s=0.01):
        wait_until(lambda: receiver.heard, bound_s=BOUND_S)
    assert the_event(outbox).attempts == 0
    with Sending(bounds(), database):
        wait_for(outbox, "a")
    assert receiver.ids == ["a:canceled"] * 2


def test_an_event_that_breaks_the_sender_holds_up_nobody(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox
) -> None:
    ended(ledger, receiver.url, "a", "b")
    with database.writing() as connection:
        connection.execute(update(JOBS).where(JOBS.c.id == "a").values(priority="odd"))
    with Sending(bounds(), database):
        wait_for(outbox, "b")
        wait_for(outbox, "a", what="dead")
    assert receiver.ids == ["b:canceled"]
    assert (the_event(outbox).last_error or "").startswith("The sender failed with ValueError")


def test_a_sender_waits_for_its_database(receiver: Receiver, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/later")
    said = Records()
    with said, Sending(bounds(), database):
        wait_until(lambda: said.lines, bound_s=BOUND_S)
        database.migrate()
        ended(Ledger(database), receiver.url, "a")
        wait_for(Outbox(database), "a")
    database.close()
    assert [line.partition(":")[0] for line in said.lines] == [
        "No events are delivered until the database answers"
    ]


def test_the_process_sends_until_it_is_told_to_stop(
    receiver: Receiver, database: Database, database_url: str, ledger: Ledger, outbox: Outbox
) -> None:
    environment = {
        "BRUSHWORK_DATABASE_URL": database_url,
        "BRUSHWORK_WEBHOOK_SECRET": SECRET,
        "BRUSHWORK_WEBHOOK_PRIVATE": "true",
        "BRUSHWORK_LOG_FORMAT": "json",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "brushwork", "webhooks", "send"],
        env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        ledger.submit([new_job("a", webhook_url=f"{receiver.url}/?token=private", traceparent=TRACEPARENT)])
        ledger.cancel("a")
        wait_for(outbox, "a")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0
    assert receiver.ids == ["a:canceled"]
    [told] = [line for line in map(json.loads, log.splitlines()) if "was delivered to" in line["message"]]
    assert told["message"].startswith("Event a:canceled was delivered to http://127.0.0.1")
    assert (told["event"], told["job"], told["trace"]) == ("a:canceled", "a", TRACEPARENT.split("-")[1])
    assert "private" not in log
    [last] = ProcessReports(database).live(60)
    assert last.role == "sender"
    assert 'brushwork_webhook_deliveries_total{outcome="delivered"} 1.0' in last.samples


def test_a_sender_counts_what_comes_of_its_tries(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox
) -> None:
    receiver.replies += [status(500), status(204), status(410)]
    metrics = SenderMetrics()
    ended(ledger, receiver.url, "a")
    with Sending(bounds(), database, metrics=metrics):
        wait_for(outbox, "a")
        ended(ledger, f"{receiver.url}/old", "b")
        wait_for(outbox, "b", what="dead")
        ended(ledger, "http://169.254.169.254/", "c")
        wait_for(outbox, "c", what="dead")
    counted = {
        outcome: metrics.registry.get_sample_value("brushwork_webhook_deliveries_total", {"outcome": outcome})
        for outcome in DeliveryOutcome
    }
    assert counted == {"delivered": 1, "retried": 1, "gone": 1, "dead": 1, "broken_off": 0}
    assert metrics.registry.get_sample_value("brushwork_webhook_delivery_seconds_count") == 4
    assert metrics.registry.get_sample_value("brushwork_webhook_deliveries_running") == 0


def test_without_a_secret_it_does_not_start(sqlite_url: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "brushwork", "webhooks", "send"],
        env={**os.environ, "BRUSHWORK_DATABASE_URL": sqlite_url},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 78
    assert "required to sign webhooks" in ran.stderr
    assert "BRUSHWORK_WEBHOOK_SECRET" in ran.stderr
