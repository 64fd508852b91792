"""`brushwork up` with its real worker."""

from brushwork import Client

from tests.integration.embedded import Up
from tests.servers import wait_until


def test_a_job_outlives_its_worker(running_up: Up) -> None:
    with running_up.client() as client:
        [before] = client.workers()
        job = client.submit(
            "text-to-image", prompt="a red circle", num_inference_steps=100, num_images_per_prompt=4
        )
        wait_until(lambda: _step(client, job.id) > 0, bound_s=60, what="the first step")
        running_up.part("brushwork worker").kill()
        done = client.wait(job.id, timeout_s=200)
        assert done.raise_for_state().attempt == 2
        assert done.worker not in (None, before.name)


def _step(client: Client, job_id: str) -> int:
    state, progress = client.look(job_id)
    assert not state.is_terminal, "the job ended before its worker could be killed"
    return progress.step
