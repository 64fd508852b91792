"""The clients' conformance suite: waiting for the end, with what is told on the way."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from brushwork import JobFailed, JobState, Preview, Progress, WaitTimeout
from brushwork_core.fleet.job_signals import JobSignals

from tests.clients import KIND, LedgerHand, Stand
from tests.servers import wait_until


class TestWait:
    def test_a_finished_job_comes_with_its_result(self, stand: Stand) -> None:
        job = stand.client.wait(stand.finished().id, timeout_s=10)
        assert job.raise_for_state() is job
        assert job.is_finished
        assert job.result.images[0].pil().getpixel((0, 0)) == (0, 0, 255)
        assert (job.result.seed, job.result.seeds) == (3, (3,))

    def test_time_that_is_over_is_said_and_the_job_goes_on(self, client: Any) -> None:
        job = client.submit(KIND, prompt="x")
        began = time.monotonic()
        with pytest.raises(WaitTimeout, match=job.id) as raised:
            client.wait(job.id, timeout_s=0.3)
        assert time.monotonic() - began >= 0.3
        assert isinstance(raised.value, TimeoutError)
        assert client.get(job.id).state is JobState.QUEUED

    def test_time_of_more_than_a_second_is_over_too(self, client: Any) -> None:
        # By HTTP, whole seconds are left to the gateway.
        job = client.submit(KIND, prompt="x")
        with pytest.raises(WaitTimeout):
            client.wait(job.id, timeout_s=1.1)

    def test_no_time_at_all_is_one_look(self, stand: Stand) -> None:
        assert stand.client.wait(stand.finished().id, timeout_s=0).is_finished
        with pytest.raises(WaitTimeout):
            stand.client.wait(stand.client.submit(KIND, prompt="x").id, timeout_s=0)

    def test_changes_are_told_once_each(self, stand: Stand) -> None:
        job = stand.client.submit(KIND, prompt="x")
        seen: list[tuple[JobState, Progress]] = []
        moves = [
            lambda: stand.hand.start(job.id),
            lambda: stand.hand.advance(job.id, 5, 20),
            lambda: stand.hand.fail(job.id),
        ]

        def work(state: JobState, progress: Progress) -> None:
            # The worker's next move follows the client's look, so that none is missed.
            seen.append((state, progress))
            if len(seen) <= len(moves):
                moves[len(seen) - 1]()

        done = stand.client.wait(job.id, timeout_s=30, on_progress=work)
        assert [(state.value, progress.step) for state, progress in seen] == [
            ("queued", 0), ("running", 0), ("running", 5), ("failed", 5)
        ]  # fmt: skip
        assert (done.error.code, done.error.fault) == ("internal", "machine")
        with pytest.raises(JobFailed, match=r"\(internal\): It broke\."):
            done.raise_for_state()

    @pytest.mark.parametrize("is_silent", [False, True])
    def test_a_job_that_ends_elsewhere_ends_the_wait(self, stand: Stand, is_silent: bool) -> None:
        job = stand.client.submit(KIND, prompt="x")
        told = threading.Event()

        def end() -> None:
            assert is_silent or told.wait(timeout=30)
            stand.hand.start(job.id)
            stand.hand.succeed(job.id)

        with ThreadPoolExecutor(1) as threads:
            ending = threads.submit(end)
            heard = {} if is_silent else {"on_progress": lambda *_: told.set()}
            done = stand.client.wait(job.id, timeout_s=30, **heard)
            ending.result(timeout=30)
        assert done.state is JobState.SUCCEEDED

    def test_an_error_of_a_callback_is_the_caller_s_own(self, client: Any) -> None:
        def break_off(*_: object) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            client.wait(client.submit(KIND, prompt="x").id, timeout_s=30, on_progress=break_off)


class TestPreview:
    def test_who_waits_sees_each_once(self, stand: Stand) -> None:
        job, client, hand = stand.client.submit(KIND, prompt="x"), stand.client, stand.hand
        pictures = [Preview(jpeg=bytes([255, step]), step=step, total=2) for step in (1, 2)]
        seen: list[Preview] = []

        def begin(state: JobState, progress: Progress) -> None:
            if state is JobState.QUEUED:
                hand.start(job.id)

        def make() -> None:
            wait_until(lambda: client_is_running(stand, job.id), what="the start")
            for number, picture in enumerate(pictures):
                hand.show(job.id, picture)
                wait_until(lambda: len(seen) > number, what="the preview's arrival")  # noqa: B023
            hand.fail(job.id)

        assert client.preview(job.id) is None
        with ThreadPoolExecutor(1) as threads:
            making = threads.submit(make)
            client.wait(job.id, timeout_s=30, on_progress=begin, on_preview=seen.append)
            making.result(timeout=30)
        assert seen == pictures
        assert client.preview(job.id) is None

    def test_one_who_looks_now_and_then_sees_the_newest(self, stand: Stand) -> None:
        job = stand.client.submit(KIND, prompt="x")
        stand.hand.start(job.id)
        assert stand.client.preview(job.id) is None
        picture = Preview(jpeg=b"\xff\xd8picture", step=1, total=2)
        stand.hand.show(job.id, picture)
        assert stand.client.preview(job.id) == picture

    @pytest.mark.servers("nobody has to be asked for its previews: the test makes them")
    def test_to_ask_has_them_made(self, stand: Stand) -> None:
        assert isinstance(stand.hand, LedgerHand)
        job_signals, job = JobSignals(stand.hand.database), stand.client.submit(KIND, prompt="x")
        stand.hand.start(job.id)
        assert not job_signals.signals("worker")
        stand.client.preview(job.id)
        assert [wish.preview for wish in job_signals.signals("worker").values()] == [True]


def client_is_running(stand: Stand, job_id: str) -> bool:
    """Seen past the client, which another thread is using."""
    if isinstance(stand.hand, LedgerHand):
        return bool(JobSignals(stand.hand.database).signals("worker"))
    return bool(stand.client._memory.ledger.get(job_id).state is JobState.RUNNING)
