"""`brushwork up` with its real worker."""

from tests.integration.embedded import Up
from tests.paused_worker import pause_in_a_job


def test_a_job_outlives_its_worker(running_up: Up) -> None:
    worker = running_up.part("brushwork worker")
    with running_up.client() as client:
        [before] = client.workers()
        held = pause_in_a_job(
            client,
            [worker.pid],
            lambda: client.submit("text-to-image", prompt="a red circle", num_inference_steps=100).id,
        )
        worker.kill()
        done = client.wait(held.id, timeout_s=200).raise_for_state()
        # Whether an attempt is charged depends on the other jobs that ran: they may be those of other tests.
        assert (held.worker, done.worker) == (before.name, client.workers()[0].name)
        assert done.worker != held.worker


def test_words_that_the_model_does_not_know_are_told(running_up: Up) -> None:
    with running_up.client() as client:
        job = client.submit("text-to-image", prompt="一只可爱的猫", num_inference_steps=1)
        [warning] = client.wait(job.id, timeout_s=200).raise_for_state().result.warnings
    assert (warning.code, warning.field) == ("unknown_words", "prompt")
    assert warning.message == "The model does not know these words of prompt: 可爱, 猫."
