"""Memory that one thread has freed serves the next: a worker does not grow with its number of threads."""

import subprocess
import sys

NUM_THREADS = 8
# Each thread allocates and frees 40 MiB, one thread after the other, while all of them live.
PROGRAM = f"""
import threading
from brushwork_workers.device.cpu import keep_memory

def resident_mib(): return int(open("/proc/self/statm").read().split()[1]) * 4096 // 2**20

def allocate(number):
    turns[number].wait()
    blocks = [b"x" * 2**18 for _ in range(160)]
    del blocks
    grown.append(resident_mib())
    if number + 1 < {NUM_THREADS}: turns[number + 1].set()
    ended.wait()

assert keep_memory()
turns, grown, ended = [threading.Event() for _ in range({NUM_THREADS})], [], threading.Event()
threads = [threading.Thread(target=allocate, args=[number]) for number in range({NUM_THREADS})]
for thread in threads: thread.start()
turns[0].set()
while len(grown) < {NUM_THREADS}: ended.wait(0.01)
ended.set()
print(grown[-1] - grown[0])
"""


def test_threads_allocate_from_one_arena() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    # With an arena for each thread it is some 40 MiB for each but the first.
    assert int(done.stdout) < 40
