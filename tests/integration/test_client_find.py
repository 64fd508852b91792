"""The clients' conformance suite: jobs found, listed, withdrawn and run again; what there is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from brushwork import InvalidRequest, Job, JobFailed, JobNotFound, JobState, Progress, RequestError
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_schemas.errors import JobNotEnded
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.worker import WorkerEntry

from tests.clients import KIND, LedgerHand, Stand, png

inputs = pytest.mark.inputs("decided before the ways of threads and of tasks part")
both_databases = pytest.mark.both_databases("lists, locks and sums differ")
UNKNOWN_IDS = [
    *("nobody", "", "a\0b", "\ud800", "x" * 65, "x" * 100_000, "ä", None, 5, "' OR 1=1 --"),
    *("..", ".", "a/cancel", "%2e%2e", "?limit=5", "#"),
]


class TestGet:
    @inputs
    @pytest.mark.parametrize("job_id", UNKNOWN_IDS, ids=lambda job_id: ascii(job_id)[:12])
    def test_a_job_that_is_not_there(self, client: Any, job_id: Any) -> None:
        names = ("get", "look", "wait", "cancel", "preview", "outlook", "retry")
        for ask in (getattr(client, name) for name in names):
            with pytest.raises(JobNotFound) as raised:
                ask(job_id)
            assert (raised.value.field, len(str(raised.value)) < 200) == ("id", True)

    def test_a_look_is_state_and_progress(self, stand: Stand) -> None:
        job = stand.client.submit(KIND, prompt="x")
        assert stand.client.look(job.id) == (JobState.QUEUED, Progress())
        stand.hand.start(job.id)
        stand.hand.advance(job.id, 3, 12)
        assert stand.client.look(job.id) == (JobState.RUNNING, Progress(step=3, total=12))

    def test_a_job_tells_of_its_run(self, stand: Stand) -> None:
        job = stand.finished()
        assert (job.state, job.attempt, job.cancel_requested) == (JobState.SUCCEEDED, 1, False)
        assert job.worker is not None
        assert job.created_at <= job.started_at <= job.finished_at
        assert job.created_at.utcoffset() == timedelta(0)


@both_databases
class TestList:
    def test_pages_hold_each_job_once_newest_first(self, client: Any) -> None:
        jobs = client.submit_many([{"kind": KIND, "prompt": str(number)} for number in range(25)])
        found: list[Job] = []
        while page := client.list(limit=7, before=found[-1] if found else None):
            assert len(page) <= 7
            found += page
        assert [job.id for job in found] == [job.id for job in reversed(jobs)]

    def test_a_list_may_be_longer_than_a_gateway_gives_at_once(
        self, client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("brushwork.transports.gateway.PAGE", 4)
        jobs = client.submit_many([{"kind": KIND, "prompt": str(number)} for number in range(10)])
        ids = [job.id for job in reversed(jobs)]
        assert [job.id for job in client.list(limit=9)] == ids[:9]
        assert [job.id for job in client.list(limit=10_000)] == ids
        assert [job.id for job in client.list(limit=6, before=jobs[8])] == ids[2:8]

    def test_kind_and_state_narrow(self, client: Any) -> None:
        one = client.submit(KIND, prompt="x")
        other = client.submit("image-to-text", image=png())
        client.cancel(other.id)
        assert [job.id for job in client.list(kind=KIND)] == [one.id]
        assert [job.id for job in client.list(state="canceled")] == [other.id]
        assert [job.id for job in client.list(state=JobState.QUEUED, kind="image-to-text")] == []
        assert [job.id for job in client.list(state=JobState.QUEUED, before=other)] == [one.id]

    def test_words_narrow(self, client: Any) -> None:
        said: list[dict[str, Any]] = [
            {"prompt": "A red circle & more", "tenant": "a"}, {"prompt": "100% blue_sky", "group": "g"},
        ]  # fmt: skip
        red, blue = client.submit_many([{"kind": KIND, **request} for request in said])
        for wanted, found in (
            ({"tenant": "a"}, [red]), ({"tenant": ""}, [blue]), ({"group": "g"}, [blue]),
            ({"model": "pocket-diffusion"}, [blue, red]), ({"model": "other"}, []),
            ({"text": "RED circle &"}, [red]), ({"text": "100%"}, [blue]), ({"text": "e_s"}, [blue]),
            ({"text": red.id}, [red]), ({"text": "64x64"}, [blue, red]), ({"text": ""}, [blue, red]),
        ):  # fmt: skip
            assert [job.id for job in client.list(**wanted)] == [job.id for job in found], wanted

    def test_times_narrow(self, client: Any) -> None:
        job = client.submit(KIND, prompt="x")
        second = timedelta(seconds=1)
        elsewhere = (job.created_at + second).astimezone(timezone(timedelta(hours=8)))
        assert client.list(created_after=job.created_at - second, created_before=elsewhere) == [job]
        assert client.list(created_after=job.created_at) == []
        assert client.list(created_before=job.created_at) == []
        assert client.list(created_after=datetime.now(UTC) + timedelta(days=1)) == []

    def test_results_are_in_lists_too(self, stand: Stand) -> None:
        job = stand.finished()
        assert stand.client.list() == [job]
        assert stand.client.list()[0].result.images[0].bytes() == png("blue")

    @inputs
    @pytest.mark.parametrize(
        ("narrow", "field"),
        [
            ({"kind": "nonsense"}, "kind"), ({"kind": []}, "kind"), ({"state": "done"}, "state"),
            ({"limit": 0}, "limit"), ({"limit": -1}, "limit"), ({"limit": 10**30}, "limit"),
        ],
    )  # fmt: skip
    def test_a_wrong_filter_is_named(self, client: Any, narrow: dict[str, Any], field: str) -> None:
        with pytest.raises(RequestError) as raised:
            client.list(**narrow)
        assert raised.value.field == field


@both_databases
class TestCancel:
    def test_a_queued_job_is_canceled_at_once(self, client: Any) -> None:
        job = client.cancel(client.submit(KIND, prompt="x").id)
        assert job.state is JobState.CANCELED
        assert client.cancel(job.id) == job
        with pytest.raises(JobFailed, match="was canceled"):
            job.raise_for_state()

    def test_a_running_job_is_asked_to_stop(self, stand: Stand) -> None:
        job = stand.client.submit(KIND, prompt="x")
        stand.hand.start(job.id)
        job = stand.client.cancel(job.id)
        assert (job.state, job.cancel_requested) == (JobState.RUNNING, True)

    def test_a_finished_job_is_left(self, stand: Stand) -> None:
        job = stand.finished()
        assert stand.client.cancel(job.id) == job


@both_databases
class TestRetry:
    def test_everything_is_as_it_was(self, stand: Stand) -> None:
        old = stand.finished()
        new = stand.client.retry(old.id)
        assert (new.state, new.retry_of, new.request) == (JobState.QUEUED, old.id, old.request)
        assert new.id != old.id

    def test_changes_are_made(self, client: Any) -> None:
        old = client.submit("image-to-text", image=png(), priority="high", tenant="t", group="g")
        client.cancel(old.id)
        new = client.retry(old.id, image=png("blue"), language="zh", priority="low")
        assert (new.request.language, new.priority, new.tenant, new.group) == ("zh", "low", "t", "g")
        assert client.artifact_bytes(new.request.image) == png("blue")

    def test_a_key_makes_it_one(self, stand: Stand) -> None:
        old = stand.finished()
        jobs = [stand.client.retry(old.id, seed=8, idempotency_key="again") for _ in range(2)]
        assert jobs[0].id == jobs[1].id

    def test_one_that_goes_on_is_refused(self, client: Any) -> None:
        with pytest.raises(JobNotEnded, match="queued"):
            client.retry(client.submit(KIND, prompt="x").id)

    def test_a_wrong_change_is_named(self, stand: Stand) -> None:
        with pytest.raises(InvalidRequest) as raised:
            stand.client.retry(stand.finished().id, width=65)
        assert raised.value.field == "width"


@both_databases
class TestOutlook:
    def test_who_comes_later_waits_longer(self, client: Any) -> None:
        jobs = [client.submit(KIND, prompt="x") for _ in range(3)]
        assert [client.outlook(job.id).position for job in jobs] == [0, 1, 2]

    def test_who_runs_has_no_place_and_who_has_ended_no_outlook(self, stand: Stand) -> None:
        job = stand.client.submit(KIND, prompt="x")
        stand.hand.start(job.id)
        assert stand.client.outlook(job.id).position is None
        stand.hand.succeed(job.id)
        assert stand.client.outlook(job.id) is None

    @pytest.mark.servers("the test itself is its worker")
    def test_without_a_worker_it_can_t_be_served(self, client: Any) -> None:
        assert client.outlook(client.submit(KIND, prompt="x").id).servable is False


class TestOffers:
    def test_models_are_those_of_the_catalogue(self, client: Any) -> None:
        model = client.models(KIND)[0]
        assert (model.name, model.kinds[0], model.defaults["width"]) == ("pocket-diffusion", KIND, 64)
        assert "EulerDiscreteScheduler" in model.schedulers
        assert {kind for model in client.models() for kind in model.kinds} == all_kinds().keys()
        assert list(client.models("nonsense")) == []

    def test_kinds_say_what_they_take_and_give(self, client: Any) -> None:
        kinds = {kind.name: kind for kind in client.kinds()}
        assert kinds.keys() == all_kinds().keys()
        made = kinds[KIND]
        assert (made.default_model, made.request["required"]) == ("pocket-diffusion", ["prompt"])
        assert "priority" in made.options["properties"]
        assert "images" in made.result["properties"]

    def test_queues_by_kind(self, stand: Stand) -> None:
        client = stand.client
        for _ in range(2):
            client.submit("text-to-image", prompt="x")
        stand.hand.start(client.list(limit=1)[0].id)
        queues = {queue.kind: queue for queue in client.queues()}
        drawing, looking = queues["text-to-image"], queues["image-to-text"]
        assert (drawing.in_redis + drawing.in_ledger, drawing.running, drawing.workers) == (1, 1, 0)
        assert (looking.in_redis, looking.in_ledger, looking.running, looking.oldest_s) == (0, 0, 0, None)

    def test_without_workers_there_are_none(self, client: Any) -> None:
        assert list(client.workers()) == []

    @pytest.mark.servers("it has no workers")
    def test_workers_tell_of_themselves(self, stand: Stand) -> None:
        assert isinstance(stand.hand, LedgerHand)
        entry = WorkerEntry("w/1", (KIND,), ("pocket-diffusion",), "cpu", ready=True)
        WorkerRegistry(stand.hand.database).announce(replace(entry, batching={"unet": {"runs": 2}}))
        (worker,) = stand.client.workers()
        assert (worker.name, worker.kinds, worker.models) == ("w/1", (KIND,), ("pocket-diffusion",))
        assert (worker.device, worker.ready, worker.batching) == ("cpu", True, {"unet": {"runs": 2}})
        assert worker.silent_s >= 0
