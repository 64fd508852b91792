"""What a webhook says, how it is signed, what an answer means, and when it is tried again."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from brushwork.webhooks.answer import answer_of, retry_after_s
from brushwork.webhooks.payload import payload
from brushwork.webhooks.schedule import MULTIPLES, Schedule
from brushwork.webhooks.signature import Signature, webhook_id
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.job import JobError
from standardwebhooks import Webhook, WebhookVerificationError

from tests.jobs import ERROR, claimed, new_job, result_of

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def secret_of(num_bytes: int) -> str:
    return "whsec_" + base64.b64encode(bytes(num_bytes)).decode()


def test_a_receiver_learns_what_became_of_a_job(ledger: Ledger, index: JobIndex) -> None:
    ledger.submit([new_job("a", tenant="shop")])
    ledger.complete("a", claimed(ledger, "a").fence, result_of(1))
    job = index.get("a")
    told = json.loads(payload(job).model_dump_json())
    assert (told["type"], set(told)) == ("job.succeeded", {"type", "timestamp", "data"})
    assert datetime.fromisoformat(told["timestamp"]) == job.finished_at
    data = told["data"]
    assert (data["id"], data["kind"], data["model"]) == ("a", "text-to-image", "pocket-diffusion")
    assert (data["label"], data["tenant"], data["state"]) == ("pocket-diffusion 64x64", "shop", "succeeded")
    assert data["timings"] == {"queued_s": 0.0, "loading_s": 0.0, "running_s": 0.0}
    assert (data["error"], data["attempt"]) == (None, 1)


def test_nothing_private_is_told(ledger: Ledger, index: JobIndex) -> None:
    ledger.submit([new_job("a", idempotency_key="key", request_sha256="0")])
    ledger.cancel("a")
    refusal = JobError(
        code="invalid_request", message="prompt: it was 'a red", fault="caller", field="prompt"
    )
    ledger.refuse(new_job("b"), refusal)
    bodies = [payload(index.get(job_id)).model_dump_json() for job_id in "ab"]
    assert not any(word in body for body in bodies for word in ("a red", '"key"', '"request"'))
    told = json.loads(bodies[1])["data"]["error"]
    assert told == {"code": "invalid_request", "fault": "caller", "field": "prompt", "message": None}


def test_the_machines_errors_are_told_with_their_words(ledger: Ledger, index: JobIndex) -> None:
    ledger.submit([new_job("a")])
    ledger.fail("a", claimed(ledger, "a").fence, ERROR)
    told = payload(index.get("a"))
    assert told.type == "job.failed"
    assert told.data.error is not None
    assert (told.data.error.code, told.data.error.message) == ("out_of_memory", "The device is full.")


def test_the_signature_is_that_of_the_specification() -> None:
    moment = datetime.now(UTC)
    headers = Signature(SECRET).headers("a:failed", moment, '{"ü":1}')
    signed = f"a:failed.{int(moment.timestamp())}.".encode() + '{"ü":1}'.encode()
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers == {
        "webhook-id": "a:failed",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": f"v1,{expected}",
    }
    assert Webhook(SECRET).verify('{"ü":1}', headers) == {"ü": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify('{"ü":2}', headers)


def test_two_secrets_both_sign_while_one_takes_the_others_place() -> None:
    old = secret_of(24)
    headers = Signature(f"{SECRET} {old}").headers("a:failed", datetime.now(UTC), "{}")
    for secret in (SECRET, old):
        assert Webhook(secret).verify("{}", headers) == {}


@pytest.mark.parametrize(
    "secret",
    ["", " ", "whsec_", "password", KEY.hex(), "whsec_short", SECRET.removeprefix("whsec_"), secret_of(23),
     secret_of(65), "whsec_" + "é" * 40, f"{SECRET} x"],
)  # fmt: skip
def test_a_secret_that_is_none_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        Signature(secret)
    assert raised.value.field == "webhook_secret"
    assert "BRUSHWORK_WEBHOOK_SECRET" in str(raised.value)
    assert not secret.strip() or secret == "whsec_" or secret not in str(raised.value)


@pytest.mark.parametrize(
    ("event_id", "name"),
    [
        ("0198-ab_C:failed", "0198-ab_C:failed"),
        ("my.job 1%:failed", "my%2Ejob%201%25:failed"),
        ("a\x7f", "a%7F"),
    ],
)
def test_an_id_holds_nothing_that_a_header_or_a_signature_can_not(event_id: str, name: str) -> None:
    assert webhook_id(event_id) == name


def test_the_pauses_are_those_that_the_standard_recommends() -> None:
    hour = 3600
    longest = [5, 300, 1800, 2 * hour, 5 * hour, 10 * hour, 14 * hour]
    schedule = Schedule(5.0)
    for attempts, expected in enumerate(longest, 1):
        pauses = {schedule.pause_s(attempts) for _ in range(20)}
        assert all(pause is not None and expected <= pause <= 1.2 * expected for pause in pauses)
        assert len(pauses) > 1
    assert schedule.pause_s(len(MULTIPLES) + 1) is None


def test_a_receiver_can_ask_for_a_longer_pause_and_for_no_shorter_one() -> None:
    schedule = Schedule(5.0)
    assert schedule.pause_s(1, 90.0) == 90.0
    assert schedule.pause_s(1, 1e9) == 24 * 3600
    pause = schedule.pause_s(2, 1.0)
    assert pause is not None
    assert pause >= 300
    assert schedule.pause_s(8, 60.0) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0), (" 0 ", 0.0), ("", None), ("-5", None), ("soon", None), ("1.5", None), ("²", None),
        ("9" * 400, 999_999_999_999.0),
        ("Sat, 21 Nov 2026 08:01:00 GMT", 60.0), ("Sat, 21 Nov 2026 07:00:00 GMT", 0.0),
        ("Sat, 21 Nov 99999999 07:00:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": text, "date": "Sat, 21 Nov 2026 08:00:00 GMT"}) == seconds


@pytest.mark.parametrize(
    ("status", "is_told", "is_gone"),
    [(200, True, False), (204, True, False), (301, False, False), (404, False, False), (410, False, True),
     (429, False, False), (500, False, False)],
)  # fmt: skip
def test_only_2xx_is_a_delivery(status: int, is_told: bool, is_gone: bool) -> None:
    answer = answer_of(status, {})
    assert (answer.error is None, answer.is_gone, answer.status) == (is_told, is_gone, status)
