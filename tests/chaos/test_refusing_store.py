"""F11: the artifact folder takes no file: the disk is full, or read-only."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from brushwork_schemas.states import JobState

from tests.chaos.liveness import all_take_work
from tests.chaos.moments import pause
from tests.chaos.scene import Scene
from tests.chaos.small_disk import BALLAST, SmallDisk
from tests.chaos.stack import Stack
from tests.servers import wait_until

Deed = Callable[[SmallDisk], None]
WAYS: dict[str, tuple[Deed, Deed]] = {
    "full": (SmallDisk.fill, SmallDisk.empty),
    "read-only": (SmallDisk.close, SmallDisk.reopen),
}
STORED = re.compile(r"[0-9a-f]{64}")
LASTS_S = 1.5


def strangers(folder: Path) -> list[Path]:
    """Files that are no whole artifact."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if not STORED.fullmatch(path.name) and path.name != BALLAST]


def has_failed_once(stack: Stack, ids: list[str]) -> bool:
    errors = (stack.job(one).last_error for one in ids)
    return any(error and "artifact store" in error.message for error in errors)


@pytest.mark.fault("F11", "artifact folder full or read-only for a while: retried")
@pytest.mark.parametrize("way", WAYS)
def test_a_store_that_takes_nothing_for_a_while(scene: Scene, tmp_path: Path, way: str) -> None:
    begin, end = WAYS[way]
    with (
        SmallDisk(tmp_path / "disk") as disk,
        scene.stack(artifacts_url=str(disk.folder), max_attempts=20) as stack,
    ):
        stack.artifacts = disk.folder
        stack.submit(["steps=2"] * 10)
        stack.settle()
        begin(disk)
        ids = stack.submit(["steps=2 pause=0.02"] * 20)
        wait_until(lambda: has_failed_once(stack, ids), bound_s=20, what="an attempt that fails")
        pause(LASTS_S)
        end(disk)
        all_take_work(stack)
        assert not strangers(disk.folder)


@pytest.mark.fault("F11", "artifact folder full or read-only for good: failed, with the reason")
@pytest.mark.parametrize("way", WAYS)
def test_a_store_that_takes_nothing_any_more(scene: Scene, tmp_path: Path, way: str) -> None:
    begin, end = WAYS[way]
    with SmallDisk(tmp_path / "disk") as disk, scene.stack(artifacts_url=str(disk.folder)) as stack:
        stack.artifacts = disk.folder
        begin(disk)
        ids = stack.submit(["steps=2"] * 20, ends=JobState.FAILED)
        stack.settle()
        for job in map(stack.job, ids):
            assert job.error is not None
            assert job.error.code == "service_unreachable"
            assert job.attempt == job.max_attempts
        assert not strangers(disk.folder)
        end(disk)
        all_take_work(stack)
