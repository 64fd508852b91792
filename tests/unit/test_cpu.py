"""Cores and memory: what is set, seen in a process of its own, for both hold for a whole process."""

import subprocess
import sys

import pytest

THREADS = """
import threading, torch
from brushwork_workers.device.cpu import device_thread
seen = {}
def look(name): seen[name] = torch.get_num_threads()
device = device_thread(lambda: look("device"), 3)
other = threading.Thread(target=look, args=["other"]); other.start(); other.join(); device.join()
look("main")
print(seen["device"], seen["main"], seen["other"])
"""
MEMORY = """
import torch
from brushwork_workers.device.cpu import keep_memory
assert keep_memory()
def faults(): return int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[7])
def filled(size): return torch.ones(size * 2**18).sum()
for size in (80, 60):
    for _ in range(20): filled(size)
    before = faults()
    for _ in range(5): filled(size)
    print(faults() - before)
"""


def printed(program: str) -> list[int]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def test_the_device_thread_has_the_cores_and_all_others_one_each() -> None:
    assert printed(THREADS) == [3, 1, 1]


@pytest.fixture(scope="module")
def num_faults() -> list[int]:
    """Page faults of five blocks of 80 MiB, and then of five of 60 MiB, filled one after the other."""
    return printed(MEMORY)


def test_a_block_is_used_again_instead_of_being_given_back(num_faults: list[int]) -> None:
    # Each time, 60 MiB would be some 15,000 pages to be filled with zeros.
    assert num_faults[1] < 1000


def test_a_very_large_block_is_given_back(num_faults: list[int]) -> None:
    # Five times 80 MiB, in pages of 4 KiB.
    assert num_faults[0] > 5 * 20_000
