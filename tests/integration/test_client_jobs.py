"""The clients' conformance suite: jobs or ids everywhere, run, events, several jobs at once, and delete."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from brushwork import InvalidRequest, JobFailed, JobNotFound, JobState, Preview, Progress, WaitTimeout
from brushwork_schemas.errors import ArtifactMissing, JobNotEnded

from tests.clients import KIND, LedgerHand, Stand, png

ASKED = {"prompt": "x", "seed": 3}


def worked_off(stand: Stand, end: Callable[[str], None]) -> Callable[[JobState, Progress], None]:
    """Ends a job as soon as its caller sees that it is queued."""

    def work(state: JobState, progress: Progress) -> None:
        if state is JobState.QUEUED:
            job_id = queued(stand)
            stand.hand.start(job_id)
            end(job_id)

    return work


def queued(stand: Stand) -> str:
    """The id of the queued job, seen past the client, which is waiting for it."""
    is_real = isinstance(stand.hand, LedgerHand)
    found = stand.hand.index.list() if is_real else stand.client._memory.ledger.newest_first()
    (job_id,) = (job.id for job in found if job.state is JobState.QUEUED)
    return str(job_id)


class TestJobsOrIds:
    def test_a_job_is_as_good_as_its_id(self, stand: Stand) -> None:
        client, job = stand.client, stand.finished()
        assert client.get(job) == client.get(job.id) == job
        assert client.wait(job, timeout_s=5) == job
        assert client.cancel(job) == job
        assert client.look(job) == client.look(job.id)
        assert client.preview(job) is None
        assert client.outlook(job) is None
        assert client.retry(job, seed=4).retry_of == job.id
        assert client.artifact_bytes(job.result.images[0]) == png("blue")

    def test_a_job_that_is_not_there_any_more_is_not_found(self, stand: Stand) -> None:
        job = stand.finished()
        stand.client.delete(job)
        for ask in (stand.client.get, stand.client.wait, stand.client.cancel, stand.client.retry):
            with pytest.raises(JobNotFound, match=f"no job '{job.id}'"):
                ask(job)

    def test_a_job_that_has_not_ended_has_no_result_to_be_raised_for(self, stand: Stand) -> None:
        job = stand.client.submit(KIND, **ASKED)
        with pytest.raises(JobNotEnded, match="queued") as raised:
            job.raise_for_state()
        assert "wait" in (raised.value.hint or "")
        stand.hand.start(job.id)
        with pytest.raises(JobNotEnded, match="running"):
            stand.client.get(job).raise_for_state()
        stand.hand.succeed(job.id)
        assert stand.client.get(job).raise_for_state().result.seed == 3


class TestRun:
    def test_it_returns_the_job_with_its_result(self, stand: Stand) -> None:
        work = worked_off(stand, stand.hand.succeed)
        job = stand.client.run(KIND, timeout_s=30, on_progress=work, **ASKED)
        assert job.state is JobState.SUCCEEDED
        assert job.result.images[0].pil().getpixel((0, 0)) == (0, 0, 255)

    def test_it_raises_what_the_job_failed_with(self, stand: Stand) -> None:
        work = worked_off(stand, stand.hand.fail)
        with pytest.raises(JobFailed, match="It broke") as raised:
            stand.client.run(KIND, timeout_s=30, on_progress=work, **ASKED)
        assert raised.value.job_id is not None
        assert stand.client.get(raised.value.job_id).state is JobState.FAILED

    def test_a_job_that_takes_too_long_is_not_lost(self, client: Any) -> None:
        with pytest.raises(WaitTimeout) as raised:
            client.run(KIND, timeout_s=0, **ASKED)
        assert client.get(raised.value.job_id).state is JobState.QUEUED

    def test_a_wrong_request_is_refused_as_by_submit(self, stand: Stand) -> None:
        with pytest.raises(InvalidRequest) as raised:
            stand.client.run(KIND, prompt="x", seed=-1)
        assert (raised.value.field, stand.hand.num_stored()) == ("seed", (0, 0))


class TestEvents:
    def test_each_change_comes_once_and_the_end_last(self, stand: Stand) -> None:
        job = stand.client.submit(KIND, **ASKED)
        picture = Preview(jpeg=b"\xff\xd8", step=5, total=20)
        moves = {
            ("state", "queued"): lambda: stand.hand.start(job.id),
            ("state", "running"): lambda: stand.hand.advance(job.id, 4, 20),
            ("progress", "running"): lambda: stand.hand.show(job.id, picture),
            ("preview", "running"): lambda: stand.hand.succeed(job.id),
        }
        seen = []
        for event in stand.client.events(job, previews=True, timeout_s=30):
            seen.append(event)
            # Each move follows what was seen, so that no change is missed.
            moves.pop((event.name, event.state.value), lambda: None)()
        assert [(each.name, each.state.value) for each in seen if each.name != "progress"] == [
            ("state", "queued"), ("state", "running"), ("preview", "running"), ("state", "succeeded"),
        ]  # fmt: skip
        steps = [each.progress.step for each in seen if each.name == "progress"]
        assert steps[0] == 4
        assert [each.preview for each in seen if each.preview] == [picture]
        assert {each.job_id for each in seen} == {job.id}

    def test_of_an_ended_job_they_are_its_end_alone(self, stand: Stand) -> None:
        job = stand.client.submit(KIND, **ASKED)
        stand.client.cancel(job)
        assert [(each.name, each.state) for each in stand.client.events(job.id)] == [
            ("state", JobState.CANCELED)
        ]

    def test_time_that_is_over_and_jobs_that_are_not_there(self, client: Any) -> None:
        job = client.submit(KIND, **ASKED)
        with pytest.raises(WaitTimeout) as raised:
            list(client.events(job, timeout_s=0.05))
        assert raised.value.job_id == job.id
        with pytest.raises(JobNotFound):
            list(client.events("none"))


class TestWaitAll:
    def test_jobs_and_ids_come_back_in_their_order(self, stand: Stand) -> None:
        one, two, three = stand.client.submit_many([{"kind": KIND, **ASKED}] * 3)
        stand.client.cancel(two)

        def work() -> None:
            for job in (one, three):
                stand.hand.start(job.id)
                stand.hand.succeed(job.id)

        with ThreadPoolExecutor(1) as threads:
            working = threads.submit(work)
            done = stand.client.wait_all([three, two.id, one, three.id], timeout_s=30)
            working.result(timeout=30)
        assert [job.id for job in done] == [three.id, two.id, one.id, three.id]
        assert [job.state.value for job in done] == ["succeeded", "canceled", "succeeded", "succeeded"]
        assert stand.client.wait_all([]) == []

    def test_one_time_limit_is_for_all(self, client: Any) -> None:
        jobs = client.submit_many([{"kind": KIND, **ASKED}] * 5)
        client.cancel(jobs[4])
        began = time.monotonic()
        with pytest.raises(WaitTimeout, match="4 of 5 jobs") as raised:
            client.wait_all(jobs, timeout_s=0.3)
        assert 0.3 <= time.monotonic() - began < 3
        assert raised.value.job_id == jobs[0].id

    def test_a_job_that_is_not_there_is_said_at_once(self, client: Any) -> None:
        with pytest.raises(JobNotFound):
            client.wait_all([client.submit(KIND, **ASKED), "none"])

    def test_one_job_is_no_list_of_jobs(self, client: Any) -> None:
        job = client.submit(KIND, **ASKED)
        for one in (job, job.id):
            with pytest.raises(InvalidRequest) as raised:
                client.wait_all(one)
            assert raised.value.field == "jobs"


class TestDelete:
    @pytest.mark.both_databases("the locks of the rows differ")
    def test_job_result_and_files_go(self, stand: Stand) -> None:
        job = stand.client.submit("image-to-image", image=png(), idempotency_key="k", **ASKED)
        stand.hand.start(job.id)
        stand.hand.succeed(job.id)
        picture = stand.client.get(job).result.images[0]
        assert stand.hand.num_stored() == (1, 2)
        assert stand.client.delete(job) is None
        assert stand.hand.num_stored() == (0, 0)
        for name in (picture.sha256, job.request.image):
            with pytest.raises(ArtifactMissing):
                stand.client.artifact_bytes(name)
        with pytest.raises(JobNotFound):
            stand.client.delete(job)
        # Its key is free again, for another request as well.
        assert stand.client.submit(KIND, idempotency_key="k", **ASKED).id != job.id

    @pytest.mark.both_databases("the locks of the rows differ")
    def test_what_something_else_uses_stays(self, stand: Stand) -> None:
        uploaded = stand.client.upload(png("green"))
        made = stand.finished()
        picture = made.result.images[0]
        one, two = (
            stand.client.submit("inpainting", image=picture, mask_image=mask, **ASKED)
            for mask in (uploaded, png("white"))
        )
        stand.client.cancel(one)
        stand.client.delete(made)
        assert stand.client.artifact_bytes(picture) == png("blue")
        stand.client.delete(one)
        assert stand.client.artifact_bytes(picture) == png("blue")
        assert stand.client.artifact_bytes(uploaded) == png("green")
        stand.client.cancel(two)
        stand.client.delete(two)
        assert stand.hand.num_stored() == (0, 1)

    def test_a_job_that_has_not_ended_stays(self, stand: Stand) -> None:
        job = stand.client.submit(KIND, **ASKED)
        for move in (lambda: None, lambda: stand.hand.start(job.id)):
            move()
            with pytest.raises(JobNotEnded) as raised:
                stand.client.delete(job)
            assert "Cancel" in (raised.value.hint or "")
        stand.hand.fail(job.id)
        stand.client.delete(job.id)
