"""F11: the artifact folder takes no file: the disk is full, or read-only."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from brushwork_schemas.states import JobState

from tests.chaos import history
from tests.chaos.liveness import all_take_work
from tests.chaos.moments import pause
from tests.chaos.scene import Scene
from tests.chaos.small_disk import BALLAST, SmallDisk
from tests.chaos.stack import PATIENT, Stack
from tests.servers import wait_until

Deed = Callable[[SmallDisk], None]
WAYS: dict[str, tuple[Deed, Deed]] = {
    "full": (SmallDisk.fill, SmallDisk.empty),
    "read-only": (SmallDisk.close, SmallDisk.reopen),
}
CODES = {"full": "store_full", "read-only": "store_read_only"}
STORED = re.compile(r"[0-9a-f]{64}")
LASTS_S = 1.5


def strangers(folder: Path) -> list[Path]:
    """Files that are no whole artifact."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if not STORED.fullmatch(path.name) and path.name != BALLAST]


def are_held(stack: Stack, number: int) -> bool:
    """Whether so many jobs are finished and wait for the store."""
    return (
        len(stack.unsettled()) >= number
        and stack.logs().count("its files wait for the artifact store") >= number
    )


def ran_once(stack: Stack, ids: list[str]) -> None:
    """No attempt was charged, and nothing was done twice."""
    for job in map(stack.job, ids):
        moves = [move for move in history.moves(stack.database) if move.job_id == job.id]
        what = f"{moves}\n{stack.logs()[-6000:]}"
        assert (job.attempt, stack.journal.num_begun(job.id)) == (1, 1), what


@pytest.mark.fault("F11", "artifact folder full or read-only for a while: finished pictures are held")
@pytest.mark.parametrize("way", WAYS)
def test_a_store_that_takes_nothing_for_a_while(scene: Scene, tmp_path: Path, way: str) -> None:
    begin, end = WAYS[way]
    with (
        SmallDisk(tmp_path / "disk") as disk,
        scene.stack(artifacts_url=str(disk.folder), **PATIENT) as stack,
    ):
        stack.artifacts = disk.folder
        stack.submit(["steps=2"] * 10)
        stack.settle()
        begin(disk)
        ids = stack.submit(["steps=2 pause=0.02"] * 20)
        wait_until(lambda: are_held(stack, 2), bound_s=20, what="jobs that wait for the store")
        pause(LASTS_S)
        end(disk)
        stack.settle()
        ran_once(stack, ids)
        all_take_work(stack)
        assert not strangers(disk.folder)


@pytest.mark.fault(
    "F11", "artifact folder full or read-only for good: what is finished fails with the reason"
)
@pytest.mark.parametrize("way", WAYS)
def test_a_store_that_takes_nothing_any_more(scene: Scene, tmp_path: Path, way: str) -> None:
    """What no worker has taken goes on waiting, as it does where no worker runs."""
    begin, end = WAYS[way]
    with (
        SmallDisk(tmp_path / "disk") as disk,
        scene.stack(artifacts_url=str(disk.folder), held_s=LASTS_S, num_workers=1, **PATIENT) as stack,
    ):
        stack.artifacts = disk.folder
        begin(disk)
        ids = stack.submit(["steps=2"] * 2, ends=JobState.FAILED)
        wait_until(lambda: are_held(stack, 1), bound_s=20, what="a job that waits for the store")
        waiting = stack.submit(["steps=2"] * 10)
        wait_until(lambda: all(stack.job(one).is_finished for one in ids), bound_s=20, what="their end")
        for job in map(stack.job, ids):
            assert job.error is not None
            assert job.error.code == CODES[way]
            assert job.attempt == 1
        assert {stack.job(one).state for one in waiting} == {JobState.QUEUED}
        assert not strangers(disk.folder)
        end(disk)
        stack.settle()
        ran_once(stack, waiting)
        all_take_work(stack)
