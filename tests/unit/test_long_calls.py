"""Memory of modules that compute for long goes back to the system, that of the others is kept."""

import subprocess
import sys

# Equal calls of one module; each allocates blocks of some sizes in MiB.
PROGRAM = """
import os, torch
from brushwork_workers.device.cpu import LongCalls, keep_memory

def resident_mib():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE") // 2**20
def faults(): return int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[7])
def compute(): return [torch.ones(size * 2**18) for size in {sizes}]

torch.set_num_threads(1)
assert keep_memory()
calls = LongCalls(long_s={long_s})
for _ in range(3):
    with calls.call("network"):
        compute()
before = faults()
with calls.call("network"):
    compute()
print(faults() - before, resident_mib())
"""


def run(sizes: list[int], *, long_s: float) -> tuple[int, int]:
    """Page faults of the last of four equal calls, and the memory afterwards, in MiB."""
    program = PROGRAM.format(sizes=sizes, long_s=long_s)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    faults, resident = (int(word) for word in done.stdout.split())
    return faults, resident


SIZES = [20, 30, 25, 28, 22, 26] * 4
PAGES = sum(SIZES) * 256


def test_what_a_long_call_has_freed_goes_back() -> None:
    short, long = run(SIZES, long_s=1e9), run(SIZES, long_s=0.0)
    assert short[0] < PAGES // 10
    assert long[0] > PAGES // 2
    assert short[1] - long[1] > sum(SIZES) // 2


def test_blocks_of_a_long_module_are_not_kept_during_its_calls() -> None:
    # Each below the 64 MiB from which a short call's blocks go back.
    program = PROGRAM.format(sizes=[48], long_s=0.0).replace(
        "compute()\nprint", "compute(); compute()\nprint"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    # The second of the two fills its pages again.
    assert int(done.stdout.split()[0]) > 1.5 * 48 * 256
