"""What `brushwork up` chooses for a machine."""

from pathlib import Path

import pytest
from brushwork.embedded.worker_choice import GIB, WorkerChoice, choose, num_gpus


@pytest.mark.parametrize(
    ("device", "cores", "memory_gib", "gpus", "workers", "concurrency"),
    [
        ("auto", 2, 24, 0, 2, 32),
        ("auto", 1, 24, 0, 1, 64),
        ("auto", 4, 7, 0, 1, 64),
        ("auto", 64, 256, 0, 8, 8),
        ("auto", 2, 2, 0, 1, 64),
        ("auto", 16, 128, 1, 1, 64),
        ("auto", 16, 128, 4, 4, 64),
        ("cuda:1", 16, 128, 4, 1, 64),
        ("cpu", 4, 64, 4, 4, 16),
    ],
)
def test_a_cpu_is_divided_and_a_gpu_has_one_worker(
    device: str, cores: int, memory_gib: int, gpus: int, workers: int, concurrency: int
) -> None:
    choice = choose(device, cores=cores, memory_bytes=memory_gib * GIB, gpus=gpus)
    assert (choice.workers, choice.concurrency) == (workers, concurrency)


def test_what_is_given_is_kept() -> None:
    machine = {"cores": 8, "memory_bytes": 64 * GIB, "gpus": 0}
    assert choose(workers=3, concurrency=5, **machine) == WorkerChoice(3, 5, "as asked")
    assert choose(workers=3, **machine).concurrency == 21
    assert choose(concurrency=5, **machine).workers == 8


def test_the_reason_says_what_was_seen() -> None:
    assert choose(cores=2, memory_bytes=24 * GIB, gpus=0).reason == "no GPU, 2 cores, 24 GiB of memory"
    assert choose(cores=2, memory_bytes=24 * GIB, gpus=3).reason == "one for each of 3 GPUs"


def test_gpus_are_those_that_this_process_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert num_gpus(tmp_path / "no driver") == 0
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    assert num_gpus(tmp_path) == 2
    for visible, number in (("", 0), ("-1", 0), ("1", 1), ("0,1", 2), ("0,1,2,3", 2)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert num_gpus(tmp_path) == number, visible
