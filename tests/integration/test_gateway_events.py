"""Server-sent events of jobs, and waits for their ends, by a gateway that really listens."""

import json
import signal
import threading
from collections.abc import Iterator

import httpx
import pytest
from brushwork.gateway.admission import access
from brushwork.gateway.watching import job_events
from brushwork_core.access.api_keys import ApiKeys, id_of
from brushwork_core.database.database import Database
from brushwork_core.fleet.job_signals import JobSignals, ProgressReport
from brushwork_core.ledger import Ledger
from brushwork_core.settings.settings import Settings
from brushwork_core.shares.fair_share import FairShare
from brushwork_schemas.errors import UnknownModel
from brushwork_schemas.job import JobError, Progress
from brushwork_schemas.preview import Preview
from brushwork_schemas.wording.phrase import said as phrase

from tests.gateways import bearer, key
from tests.jobs import begun, new_job, result_of, said
from tests.live_gateways import GatewayProcess, Listening, events
from tests.servers import wait_until

pytestmark = pytest.mark.one_database(
    "Wire and ledger are tested on both, and test_gateway_routes reads a stream on both"
)


@pytest.fixture
def gateway(settings: Settings) -> Iterator[Listening]:
    with Listening(settings) as listening:
        yield listening


@pytest.fixture
def queued(ledger: Ledger) -> str:
    ledger.submit([new_job("a")])
    return "a"


def test_a_stream_tells_of_a_job_from_now_to_its_end(
    gateway: Listening, ledger: Ledger, database: Database, queued: str
) -> None:
    with events(gateway.address, queued) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert stream.response.headers["cache-control"] == "no-store"
        snapshot = stream.next()
        assert snapshot is not None
        assert (snapshot["event"], snapshot["id"]) == ("snapshot", "0.0.queued")
        assert json.loads(snapshot["data"])["links"]["events"] == "/v1/jobs/a/events"
        fence = begun(ledger, queued)
        state = stream.next()
        assert state == {"event": "state", "id": "1.0.running", "data": '{"state": "running", "attempt": 1}'}
        assert said(database, queued, fence, 3, 12)
        assert stream.next() == {"event": "progress", "id": "1.3.running", "data": '{"step":3,"total":12}'}
        ledger.complete(queued, fence, result_of(7))
        end = stream.next()
        assert end is not None
        assert (end["event"], end["id"]) == ("end", "1.12.succeeded")
        assert json.loads(end["data"])["result"]["seed"] == 7
        assert stream.next() is None


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_error_of_a_job_is_in_the_language_of_the_reader(
    gateway: Listening, ledger: Ledger, queued: str, language: str
) -> None:
    error = JobError.of(
        UnknownModel(phrase("Model {name!r} is not in the catalogue.", name="x"), field="model")
    )
    with events(gateway.address, queued, headers={"Accept-Language": language}) as stream:
        assert stream.next() is not None
        ledger.fail(queued, begun(ledger, queued), error)
        told = [event for event in iter(stream.next, None) if event["event"] == "end"]
        end = json.loads(told[0]["data"])["error"]
        assert (
            end
            == httpx.get(f"{gateway.address}/v1/jobs/a", headers={"Accept-Language": language}).json()[
                "error"
            ]
        )
        assert ("模型目录" in end["message"]) == (language == "zh")


def test_a_job_that_goes_back_to_the_queue_is_told_of(
    gateway: Listening, ledger: Ledger, queued: str
) -> None:
    fence = begun(ledger, queued)
    with events(gateway.address, queued) as stream:
        assert stream.until("snapshot")[0]["id"] == "1.0.running"
        ledger.release(queued, fence)
        assert stream.until("state")[-1]["data"] == '{"state": "queued", "attempt": 0}'
        begun(ledger, queued)
        assert stream.until("state")[-1]["id"] == "3.0.running"


def test_a_stream_resumes_where_it_was_cut_off(
    gateway: Listening, ledger: Ledger, database: Database, queued: str
) -> None:
    fence = begun(ledger, queued)
    said(database, queued, fence, 3, 12)
    with events(gateway.address, queued, headers={"Last-Event-ID": "1.3.running"}) as stream:
        said(database, queued, fence, 4, 12)
        (progress,) = stream.until("progress")
        assert progress["id"] == "1.4.running"
    with events(gateway.address, queued, headers={"Last-Event-ID": "1.3.running"}) as stream:
        snapshot = stream.next() or {}
        assert (snapshot["event"], snapshot["id"]) == ("snapshot", "1.4.running")
        # A browser connects again after a second.
        assert snapshot["retry"] == "1000"


def test_whoever_has_seen_the_end_is_told_that_there_is_no_more(
    gateway: Listening, ledger: Ledger, queued: str
) -> None:
    ledger.cancel(queued)
    with events(gateway.address, queued) as stream:
        snapshot, end = stream.until("end")
        # Who was cut off between the two has not seen the end.
        assert "id" not in snapshot
        assert json.loads(end["data"])["state"] == "canceled"
        assert stream.next() is None
    with events(gateway.address, queued, headers={"Last-Event-ID": end["id"]}) as stream:
        assert stream.response.status_code == 204


def test_previews_are_made_and_sent_when_they_are_asked_for(
    gateway: Listening, ledger: Ledger, database: Database, queued: str
) -> None:
    fence, job_signals = begun(ledger, queued), JobSignals(database)
    with events(gateway.address, queued, params={"previews": "true"}) as stream:
        wait_until(lambda: job_signals.signals("w"), what="the wish for a preview")
        job_signals.report_progress(
            [ProgressReport(queued, fence, Progress(step=2, total=4), Preview(jpeg=b"\xff", step=2, total=4))]
        )
        preview = stream.until("preview")[-1]
        assert json.loads(preview["data"]) == {"step": 2, "total": 4, "image": "data:image/jpeg;base64,/w=="}


def test_what_nobody_may_see_has_no_events(gateway: Listening, settings: Settings, ledger: Ledger) -> None:
    ledger.submit([new_job("a", tenant="one")])
    theirs, others = bearer(key(settings, "one")), bearer(key(settings, "two"))
    with events(gateway.address, "a", headers=theirs) as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["X-Content-Type-Options"] == "nosniff"
    for job_id in ("a", "nowhere", "%00"):
        answer = httpx.get(f"{gateway.address}/v1/jobs/{job_id}/events", headers=others)
        assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


def test_more_streams_than_there_is_room_for_are_refused(
    gateway: Listening, queued: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.services.stream_limit, "_share", FairShare(1))
    with events(gateway.address, queued) as stream:
        stream.next()
        answer = httpx.get(f"{gateway.address}/v1/jobs/{queued}/events")
        assert (answer.status_code, answer.json()["code"]) == (503, "too_many_streams")
        assert int(answer.headers["Retry-After"]) > 0


def test_the_streams_of_one_tenant_leave_room_for_another(
    gateway: Listening, settings: Settings, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.services.stream_limit, "_share", FairShare(1000, 1))
    ledger.submit([new_job("a", tenant="one"), new_job("b", tenant="two")])
    one, two = bearer(key(settings, "one")), bearer(key(settings, "two"))
    with events(gateway.address, "a", headers=one) as stream:
        stream.next()
        # Another key of the same tenant has no other share.
        answer = httpx.get(f"{gateway.address}/v1/jobs/a/events", headers=bearer(key(settings, "one")))
        assert (answer.status_code, answer.json()["code"]) == (503, "too_many_streams")
        assert "of one tenant" in answer.json()["detail"]
        waited = httpx.get(f"{gateway.address}/v1/jobs/a", headers={**one, "Prefer": "wait=60"}, timeout=5.0)
        assert waited.status_code == 200
        assert "Preference-Applied" not in waited.headers
        with events(gateway.address, "b", headers=two) as other:
            assert other.until("snapshot")


def test_a_key_that_is_revoked_sees_no_more(
    gateway: Listening,
    settings: Settings,
    ledger: Ledger,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_events, "CHECK_KEY_EVERY_S", 0.05)
    monkeypatch.setattr(access, "CACHE_S", 0.05)
    ledger.submit([new_job("a", tenant="one"), new_job("b", tenant="one")])
    revoked, other = key(settings, "one"), key(settings, "one")
    with (
        events(gateway.address, "a", headers=bearer(revoked)) as stream,
        events(gateway.address, "b", headers=bearer(other)) as going_on,
    ):
        assert stream.until("snapshot")
        ApiKeys(database).revoke(id_of(revoked))
        assert stream.next() is None
        ledger.cancel("b")
        assert going_on.until("end")


def test_whoever_hangs_up_is_stopped(gateway: Listening, queued: str) -> None:
    watch = gateway.services.watch
    with events(gateway.address, queued) as stream:
        stream.next()
        assert watch.num_watchers == 1
    wait_until(lambda: watch.num_watchers == 0, what="the end of the stream")
    wait_until(lambda: not watch.is_polling, what="the end of looking")
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{gateway.address}/v1/jobs/{queued}", headers={"Prefer": "wait=60"}, timeout=0.2)
    wait_until(lambda: watch.num_watchers == 0, what="the end of the wait")


def test_a_stream_ends_after_a_while_for_the_caller_to_come_again(
    gateway: Listening, queued: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_events, "LONGEST_S", 0.01)
    with events(gateway.address, queued) as stream:
        assert stream.until("snapshot")
        assert stream.next() is None


def test_a_comment_keeps_a_silent_stream_open(
    gateway: Listening, queued: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_events, "PING_EVERY_S", 0.05)
    with httpx.stream("GET", f"{gateway.address}/v1/jobs/{queued}/events") as response:
        assert next(line for line in response.iter_lines() if line.startswith(":")) == ": ping"


def test_a_caller_that_prefers_to_wait_gets_the_end(gateway: Listening, ledger: Ledger, queued: str) -> None:
    watch = gateway.services.watch

    def cancel_when_watched() -> None:
        wait_until(lambda: watch.num_watchers == 1, what="the wait")
        ledger.cancel(queued)

    other = threading.Thread(target=cancel_when_watched)
    other.start()
    url = f"{gateway.address}/v1/jobs/{queued}"
    answer = httpx.get(url, headers={"Prefer": "respond-async, wait=100"}, timeout=30)
    other.join()
    assert answer.json()["state"] == "canceled"
    assert answer.headers["Preference-Applied"] == "wait=55"
    assert httpx.get(url, headers={"Prefer": "wait=60"}).json()["state"] == "canceled"


def test_a_wait_ends_with_its_time(gateway: Listening, queued: str) -> None:
    url = f"{gateway.address}/v1/jobs/{queued}"
    answer = httpx.get(url, headers={"Prefer": "wait=1"}, timeout=30)
    assert (answer.json()["state"], answer.headers["Preference-Applied"]) == ("queued", "wait=1")
    for unread in ("wait=soon", "wait=0", "wait", "waiting=5"):
        answer = httpx.get(url, headers={"Prefer": unread})
        assert "Preference-Applied" not in answer.headers


def test_a_gateway_that_stops_ends_streams_and_waits(gateway: Listening, queued: str) -> None:
    answers: list[httpx.Response] = []
    url = f"{gateway.address}/v1/jobs/{queued}"
    waiting = threading.Thread(
        target=lambda: answers.append(httpx.get(url, headers={"Prefer": "wait=60"}, timeout=60))
    )
    waiting.start()
    with events(gateway.address, queued) as stream:
        assert stream.until("snapshot")
        wait_until(lambda: gateway.services.watch.num_watchers == 2, what="the wait")
        gateway.stop()
        assert stream.next() is None
    waiting.join()
    assert answers[0].json()["state"] == "queued"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_gateway_process_stops_at_a_signal_while_streams_are_open(
    settings: Settings, queued: str, number: signal.Signals
) -> None:
    with GatewayProcess(settings) as gateway, events(gateway.address, queued) as stream:
        assert stream.until("snapshot")
        said_last = gateway.stop(number)
        assert "Application shutdown complete" in said_last
        assert "Traceback" not in said_last
        assert "Cancel" not in said_last
