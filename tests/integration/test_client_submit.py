"""The clients' conformance suite: jobs submitted, one and many, rightly and wrongly, once and again."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from brushwork import (
    AsyncClient,
    IdempotencyConflict,
    InvalidImage,
    InvalidRequest,
    Job,
    JobState,
    RequestError,
    Settings,
    UnknownKind,
    UnknownModel,
)
from brushwork.transports.messages import MOST_AT_ONCE
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from PIL import Image
from sqlalchemy import func, select

from tests.clients import DIRECT, KIND, Stand, num_rows, opened, png
from tests.live_gateways import Listening
from tests.servers import RedisServer

inputs = pytest.mark.inputs("decided before the ways of threads and of tasks part")
both_databases = pytest.mark.both_databases("keys that meet, and many rows in one statement")
# kombu's list of the messages of ordinary priority.
QUEUE = f"{KIND}\x06\x166"
NO_QUEUE = "its jobs are in memory, and in no queue"
EVERY_KIND: list[dict[str, Any]] = [
    {"kind": KIND, "prompt": "a red circle", "seed": 7},
    {"kind": "image-to-text", "image": png(), "language": "zh"},
    {"kind": "image-classification", "image": png(), "top_k": 2},
    {"kind": "image-segmentation", "image": png(), "overlay": False},
]


class TestOne:
    @pytest.mark.parametrize("request_", EVERY_KIND, ids=lambda request: request["kind"])
    def test_a_job_of_each_kind_is_there_at_once_and_complete(
        self, client: Any, request_: dict[str, Any]
    ) -> None:
        said = dict(request_)
        job = client.submit(said.pop("kind"), **said)
        assert (job.state, job.kind) == (JobState.QUEUED, request_["kind"])
        assert job.model.startswith("pocket-")
        for name in said.keys() - {"image"}:
            assert getattr(job.request, name) == said[name]
        assert client.get(job.id) == job

    def test_what_was_left_out_is_filled_in(self, client: Any) -> None:
        job = client.submit(KIND, prompt="x")
        assert (job.request.width, job.request.num_inference_steps) == (64, 12)
        assert job.request.seed is not None
        assert job.label == "pocket-diffusion 64x64 12 steps"

    def test_options_are_kept(self, client: Any) -> None:
        options = {"priority": "high", "tenant": "t", "deadline_s": 60.0, "group": "g"}
        job = client.submit(KIND, prompt="x", webhook_url="https://receiver.example/hook", **options)
        assert (job.priority, job.tenant, job.group) == ("high", "t", "g")
        assert (job.deadline_at - job.created_at).total_seconds() == pytest.approx(60, abs=1)

    @inputs
    @pytest.mark.parametrize("option", [{"priority": "highest"}, {"tenant": "a b"}, {"deadline_s": -1}])
    def test_a_wrong_option_is_named(self, stand: Stand, option: dict[str, Any]) -> None:
        with pytest.raises(InvalidRequest) as raised:
            stand.client.submit(KIND, prompt="x", **option)
        assert [raised.value.field] == list(option)
        assert stand.hand.num_stored() == (0, 0)

    @inputs
    @pytest.mark.parametrize(
        ("kind", "parameters", "error", "field"),
        [
            ("nonsense", {}, UnknownKind, "kind"),
            (None, {}, UnknownKind, "kind"),
            (KIND, {}, InvalidRequest, "prompt"),
            (KIND, {"prompt": "x", "width": 65}, InvalidRequest, "width"),
            (KIND, {"prompt": "x", "guidance_scale": float("nan")}, InvalidRequest, "guidance_scale"),
            (KIND, {"prompt": object()}, InvalidRequest, "prompt"),
            (KIND, {"prompt": "\ud800"}, InvalidRequest, "prompt"),
            (KIND, {"prompt": "x", "kind": "y", "id": "z"}, InvalidRequest, "id"),
            (KIND, {"prompt": "x", "model": "nobody"}, UnknownModel, "model"),
            (KIND, {"prompt": "x", "image": png()}, InvalidRequest, "image"),
            ("image-to-text", {}, InvalidRequest, "image"),
            ("image-to-text", {"image": b"nonsense"}, InvalidImage, "image"),
            ("image-to-text", {"image": 5}, InvalidImage, "image"),
            ("image-to-text", {"image": png(), "language": "de"}, InvalidRequest, "language"),
            ("image-to-text", {"image": "http://127.0.0.1/x"}, RequestError, "image"),
        ],
    )
    def test_what_is_wrong_is_refused_and_nothing_written(
        self, stand: Stand, kind: Any, parameters: dict[str, Any], error: type[RequestError], field: str
    ) -> None:
        with pytest.raises(error) as raised:
            stand.client.submit(kind, **parameters)
        assert (raised.value.field, raised.value.fault) == (field, "caller")
        assert stand.hand.num_stored() == (0, 0)

    def test_an_error_says_what_to_do(self, client: Any) -> None:
        with pytest.raises(UnknownModel) as raised:
            client.submit(KIND, prompt="x", model="nobody")
        assert raised.value.hint is not None
        assert raised.value.hint in str(raised.value)
        assert "pocket-diffusion" in str(raised.value)


@both_databases
class TestKeys:
    def test_a_key_stands_for_one_job(self, client: Any) -> None:
        jobs = [client.submit(KIND, prompt="x", idempotency_key="key") for _ in range(2)]
        assert jobs[0] == jobs[1]
        assert jobs[0].idempotency_key == "key"

    def test_a_key_stands_for_one_picture(self, client: Any) -> None:
        said = {"image": png(), "idempotency_key": "key"}
        assert client.submit("image-to-text", **said).id == client.submit("image-to-text", **said).id
        with pytest.raises(IdempotencyConflict):
            client.submit("image-to-text", **{**said, "image": png("blue")})

    def test_fifty_at_once_are_one_job(self, stand: Stand) -> None:
        if "Async" in stand.way:
            pytest.skip("it belongs to one event loop")
        with ThreadPoolExecutor(50) as threads:
            said = {"prompt": "x", "idempotency_key": "key"}
            jobs = list(threads.map(lambda _: stand.client.submit(KIND, **said), range(50)))
        assert len({job.id for job in jobs}) == stand.hand.num_stored()[0] == 1

    def test_another_request_under_it_is_refused(self, client: Any) -> None:
        client.submit(KIND, prompt="x", idempotency_key="key")
        with pytest.raises(IdempotencyConflict, match="'key'") as raised:
            client.submit(KIND, prompt="y", idempotency_key="key")
        assert raised.value.field == "idempotency_key"

    def test_each_tenant_has_its_own(self, client: Any) -> None:
        jobs = [client.submit(KIND, prompt="x", idempotency_key="key", tenant=tenant) for tenant in "ab"]
        assert jobs[0].id != jobs[1].id

    def test_of_many_the_earlier_job_stands(self, client: Any) -> None:
        first = client.submit(KIND, prompt="x", idempotency_key="key")
        again = {"kind": KIND, "prompt": "x", "idempotency_key": "key"}
        jobs = client.submit_many([again, {"kind": KIND, "prompt": "y"}, again])
        assert [job.id == first.id for job in jobs] == [True, False, True]

    def test_without_one_the_same_request_is_another_job(self, client: Any) -> None:
        assert client.submit(KIND, prompt="x").id != client.submit(KIND, prompt="x").id


@both_databases
class TestMany:
    def test_they_come_in_order(self, client: Any) -> None:
        jobs = client.submit_many({"kind": KIND, "prompt": str(number)} for number in range(50))
        assert [job.request.prompt for job in jobs] == [str(number) for number in range(50)]
        assert len({job.id for job in jobs}) == 50

    def test_all_kinds_at_once(self, client: Any) -> None:
        jobs = client.submit_many(EVERY_KIND)
        assert [job.kind for job in jobs] == [request["kind"] for request in EVERY_KIND]
        assert len({job.request.image for job in jobs[1:]}) == 1

    def test_pictures_that_are_too_much_for_one_request_go_ahead(
        self, client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("brushwork.transports.gateway.MAX_INLINE_BYTES", 10)
        colours = ["red", "blue", "red"]
        jobs = client.submit_many({"kind": "image-to-text", "image": png(colour)} for colour in colours)
        names = [job.request.image for job in jobs]
        assert (names[0] == names[2], names[0] == names[1]) == (True, False)
        assert client.artifact_bytes(names[1]) == png("blue")

    def test_none_is_no_work(self, stand: Stand) -> None:
        assert stand.client.submit_many([]) == []
        assert stand.hand.num_stored() == (0, 0)

    @inputs
    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"kind": KIND}, "prompt"),
            ({"kind": "image-to-text", "image": b"nonsense"}, "image"),
            ({"kind": "image-to-text", "image": "/no/such/file"}, "image"),
            ({"prompt": "x"}, "kind"),
            (5, None),
            (None, None),
        ],
    )
    def test_one_that_is_wrong_is_named_and_nothing_written(
        self, stand: Stand, wrong: Any, field: str | None
    ) -> None:
        good = {"kind": "image-to-text", "image": png()}
        with pytest.raises(RequestError, match=r"^requests\[1\]: ") as raised:
            stand.client.submit_many([good, wrong, good])
        assert (raised.value.field, raised.value.index) == (field, 1)
        assert stand.hand.num_stored() == (0, 0)

    def test_threads_may_share_a_client(self, stand: Stand) -> None:
        if "Async" in stand.way:
            pytest.skip("it belongs to one event loop")
        with ThreadPoolExecutor(8) as threads:
            jobs = list(threads.map(lambda number: stand.client.submit(KIND, prompt=str(number)), range(40)))
        assert len({job.id for job in jobs}) == 40
        assert stand.hand.num_stored()[0] == 40


@pytest.mark.parametrize("by_http", [False, True])
def test_tasks_may_share_an_async_client(settings: Settings, by_http: bool) -> None:
    async def submit_all(client: AsyncClient) -> list[Job]:
        async with client:
            return await asyncio.gather(*(client.submit(KIND, prompt=str(n)) for n in range(40)))

    if not by_http:
        assert len({job.id for job in asyncio.run(submit_all(AsyncClient(settings=settings)))}) == 40
        return
    with Listening(settings) as gateway:
        assert len({job.id for job in asyncio.run(submit_all(AsyncClient(gateway.address)))}) == 40


@pytest.mark.servers(NO_QUEUE)
class TestQueue:
    """What becomes of a submit behind the client."""

    def test_its_message_is_in_the_queue_of_its_kind(self, client: Any, redis_server: RedisServer) -> None:
        client.submit(KIND, prompt="x")
        with redis_server.connect() as connection:
            assert connection.llen(QUEUE) == 1

    def test_the_urgent_are_in_the_queue_that_is_taken_first(
        self, client: Any, redis_server: RedisServer
    ) -> None:
        client.submit(KIND, prompt="x", priority="urgent")
        with redis_server.connect() as connection:
            assert connection.llen(KIND) == 1

    def test_what_is_refused_has_no_message(self, client: Any, redis_server: RedisServer) -> None:
        with pytest.raises(InvalidRequest):
            client.submit(KIND)
        with redis_server.connect() as connection:
            assert connection.keys("*") == []


@pytest.mark.parametrize("way", DIRECT)
def test_max_attempts_come_from_the_settings(way: str, settings: Settings) -> None:
    with opened(way, settings=settings.model_copy(update={"max_attempts": 9})) as client:
        assert client.submit(KIND, prompt="x").max_attempts == 9


def test_ten_thousand_are_one_transaction_and_small_messages(
    settings: Settings, database: Database, redis_server: RedisServer
) -> None:
    secret = "SECRET-PROMPT"
    with opened("Client", settings=settings) as client:
        jobs = client.submit_many([{"kind": KIND, "prompt": secret}] * 10_000)
    assert len({job.id for job in jobs}) == num_rows(database)[0] == 10_000
    with redis_server.connect() as connection:
        messages = connection.lrange(QUEUE, 0, -1)
    # Each wakes a worker, which claims as many as it has room for.
    assert [json.loads(message)["headers"]["id"] for message in reversed(messages)] == [
        job.id for job in jobs[:MOST_AT_ONCE]
    ]
    assert max(map(len, messages)) <= 1000
    assert not any(secret.encode() in message for message in messages)
    with database.reading() as connection:
        num_sent = connection.execute(select(func.count(JOBS.c.dispatched_at))).scalar_one()
    assert num_sent == 0, "a job waits for its turn, not for its message"


@pytest.mark.parametrize("at_once", [1, 5])
def test_redis_never_holds_more_messages_of_a_kind_than_wanted(
    settings: Settings, redis_server: RedisServer, at_once: int
) -> None:
    with opened("Client", settings=settings.model_copy(update={"queue_ahead": 3})) as client:
        for _ in range(5):
            client.submit_many([{"kind": KIND, "prompt": "x"}] * at_once)
        client.submit("image-to-text", image=Image.new("RGB", (8, 8)))
    with redis_server.connect() as connection:
        assert (connection.llen(QUEUE), connection.llen(QUEUE.replace(KIND, "image-to-text"))) == (3, 1)
