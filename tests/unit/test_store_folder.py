"""A folder of an artifact store that hangs, or is not mounted any more."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from brushwork_core.files import store_folder
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.sha256 import sha256_of
from brushwork_core.files.store_folder import StoreFolder
from brushwork_schemas.errors import ArtifactMissing, BrushworkError, ServiceUnreachable

from tests.servers import wait_until

LIMIT_S = 0.3
DATA = b"a file"
NAME = sha256_of(DATA)
Use = Callable[[ArtifactStore], object]
USES: dict[str, Use] = {
    "put": lambda store: store.put(b"another"),
    "put a large one": lambda store: store.put(b"x" * 300_000),
    "get": lambda store: store.get(NAME),
    "stream": lambda store: list(store.stream(NAME, 0, 6)),
    "has": lambda store: store.has(NAME),
    "list": lambda store: list(store.old_files(0.0, 10)),
    "check": lambda store: store.check(),
    "expect_reachable": lambda store: store.expect_reachable(),
}


class Hanging:
    """Has calls wait until it is released, as those of a network folder whose server is away."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def __call__(self) -> None:
        self.released.wait(20)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.released.set()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(store_folder.StoreFolder.__init__, "__defaults__", (LIMIT_S,))
    return tmp_path / "artifacts"


@pytest.fixture
def pipe(folder: Path) -> Iterator[Path]:
    """A file whose opening never returns: a pipe that nobody writes to."""
    path = folder / NAME[:2] / NAME
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    yield path
    # Opened without waiting, so that the threads that read it end.
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def test_a_file_whose_opening_hangs_is_given_up(folder: Path, pipe: Path) -> None:
    store = ArtifactStore(str(folder))
    began = time.monotonic()
    with pytest.raises(ServiceUnreachable, match="does not answer") as raised:
        store.get(NAME)
    assert time.monotonic() - began < LIMIT_S + 5
    assert (raised.value.code, raised.value.field) == ("service_unreachable", "artifacts_url")
    assert store.get(store.put(b"another")) == b"another", "other files are served"


def test_calls_that_hang_are_counted_and_further_ones_fail_at_once(
    folder: Path, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a gateway would have a thread more for each request as long as the folder hangs."""
    monkeypatch.setattr(store_folder, "MOST_HANGING", 3)
    folder.mkdir()
    within = StoreFolder(folder, limit_s=5.0).within
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(within, hanging) for _ in range(3)]
        wait_until(lambda: sum(each.name == "store-folder" for each in threading.enumerate()) >= 3)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            within(lambda: None)
        assert time.monotonic() - began < 1.0
        hanging.released.set()
        assert [each.result() for each in waiting] == [None] * 3
    assert within(lambda: 7) == 7, "it serves again once they have returned"


def test_a_large_file_has_more_time(folder: Path) -> None:
    folder.mkdir()
    bounded = StoreFolder(folder, limit_s=0.05)
    with pytest.raises(TimeoutError):
        bounded.within(lambda: time.sleep(0.3))
    assert bounded.within(lambda: time.sleep(0.3) or "read", size_bytes=40 * 2**20) == "read"


def test_what_the_call_raises_is_raised(folder: Path) -> None:
    folder.mkdir()

    def fail() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        StoreFolder(folder).within(fail)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_folder_that_is_not_mounted_any_more_is_away(folder: Path, use: Use, left: str) -> None:
    """Its files are not missing, and nothing is written to what is below."""
    store = ArtifactStore(str(folder))
    assert store.put(DATA) == NAME
    mounted = folder.with_name("elsewhere")
    folder.rename(mounted)
    if left != "nothing":
        folder.mkdir()
    with pytest.raises(BrushworkError) as raised:
        use(store)
    assert (type(raised.value).code, raised.value.field) == ("service_unreachable", "artifacts_url")
    assert "not the one" in str(raised.value)
    if left != "nothing":
        assert list(folder.iterdir()) == []
        folder.rmdir()
    mounted.rename(folder)
    use(store)
    assert store.get(NAME) == DATA


def test_a_file_that_is_missing_in_a_mounted_folder_is_missing(folder: Path) -> None:
    with pytest.raises(ArtifactMissing):
        ArtifactStore(str(folder)).get(NAME)
    assert not ArtifactStore(str(folder)).has(NAME)
