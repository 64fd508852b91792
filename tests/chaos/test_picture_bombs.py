"""F23: pictures that are made to hurt who opens them."""

import base64
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from brushwork_core.queue.broker import celery_app
from brushwork_schemas.errors import InvalidImage, JobNotFound
from brushwork_schemas.states import JobState

from tests.chaos.bombs import all_bombs
from tests.chaos.liveness import all_take_work
from tests.chaos.nursery import Worker
from tests.chaos.scene import Scene
from tests.chaos.stack import Stack
from tests.servers import wait_until

KIND = "image-classification"
KINDS = ("text-to-image", KIND)
MODEL = "labels"
_CATALOGUE = """
[models.labels]
family = "torchvision-classifier"
source = {{ folder = "{folder}" }}
"""
BOMBS = all_bombs()
# The texts are skipped unread, so a good picture is left.
HARMLESS = {name for name in BOMBS if "texts" in name}
# What a leak of one of the larger bombs would exceed in each round. A worker keeps the most memory that it
# has ever used (`keep_memory`), so a round in which more bombs meet than in all before adds to it once.
MOST_GROWTH_BYTES = 8 * 2**20
# Of eight at once, four by four.
MOST_PEAK_BYTES = 300 * 2**20
MOST_ROUNDS = 8
RESET_PEAK = "5"


@pytest.fixture
def catalogue(tmp_path: Path) -> str:
    # Here, for it loads torchvision.
    from tests.tiny_models import save_classifier

    return _CATALOGUE.format(folder=save_classifier(tmp_path / "classifier"))


def send(stack: Stack, picture: bytes) -> str:
    """A bare message, as from a program that has no brushwork: its id."""
    address = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    with celery_app(stack.settings) as app:
        sent = app.send_task(
            f"brushwork.{KIND}", kwargs={"image": address, "model": MODEL}, queue=KIND, task_id=str(uuid4())
        )
    return str(sent.id)


def has_ended(stack: Stack, job_id: str) -> bool:
    try:
        return stack.job(job_id).state.is_terminal
    except JobNotFound:
        return False


def memory_bytes(worker: Worker, line: str) -> int:
    """A line of the kernel's, `VmRSS` for now or `VmHWM` for the peak."""
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return next(int(row.split()[1]) * 1024 for row in status.splitlines() if row.startswith(line))


def explode(stack: Stack) -> None:
    """All of them together, then a look at what became of each."""
    for name, job_id in {name: send(stack, picture) for name, picture in BOMBS.items()}.items():
        wait_until(partial(has_ended, stack, job_id), bound_s=60, what=name, look_s=0.05)
        job = stack.job(job_id)
        stack.record.note([job], JobState.SUCCEEDED if name in HARMLESS else JobState.FAILED, 0.0)
        assert (job.error and job.error.code) == (None if name in HARMLESS else "invalid_image"), name


@pytest.mark.fault("F23", "picture bombs, as bare messages: memory flat")
def test_bombs_as_messages(scene: Scene, catalogue: str) -> None:
    with scene.stack(num_workers=1, kinds=KINDS, catalogue=catalogue, models=(MODEL,)) as stack:
        (worker,) = stack.workers
        explode(stack)
        resident = [memory_bytes(worker, "VmRSS")]
        # What a job imports and allocates for the first time stays; in the end nothing is to be added.
        for _ in range(MOST_ROUNDS):
            explode(stack)
            resident.append(memory_bytes(worker, "VmRSS"))
            if resident[-1] - resident[-2] < MOST_GROWTH_BYTES:
                break
        else:
            pytest.fail(f"the memory has grown in every round: {resident}")
        Path(f"/proc/{worker.pid}/clear_refs").write_text(RESET_PEAK)
        explode(stack)
        peak = memory_bytes(worker, "VmHWM") - resident[-1]
        assert peak < MOST_PEAK_BYTES
        assert stack.workers == [worker], "the worker has died"
        all_take_work(stack)


@pytest.mark.fault("F23", "picture bombs, by the client")
def test_bombs_by_the_client(scene: Scene, catalogue: str, tmp_path: Path) -> None:
    file = tmp_path / "bomb.png"
    with scene.stack(num_workers=1, kinds=KINDS, catalogue=catalogue, models=(MODEL,)) as stack:
        for name, picture in BOMBS.items():
            file.write_bytes(picture)
            if name in HARMLESS:
                job = stack.client.submit(KIND, image=file, model=MODEL)
                stack.record.note([job], JobState.SUCCEEDED, 0.0)
            else:
                with pytest.raises(InvalidImage):
                    stack.client.submit(KIND, image=file, model=MODEL)
        all_take_work(stack)
