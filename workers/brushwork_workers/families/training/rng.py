"""Random numbers of a training. Each purpose has its own seed, so that any epoch can be repeated."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from brushwork_workers.device.accelerator import is_accelerator


def derive_seed(seed: int, *purpose: object) -> int:
    """Derive a seed from the seed of the job and the purpose of the random numbers."""
    digest = hashlib.sha256(":".join(map(str, (seed, *purpose))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, *purpose: object) -> torch.Generator:
    """Return a generator on the CPU with the seed of a purpose."""
    return torch.Generator().manual_seed(derive_seed(seed, *purpose))


@contextmanager
def seeded(device: torch.device, seed: int, *purpose: object) -> Iterator[None]:
    """Seed the global generators of torch (dropout, new weights) inside the context, and restore them after.

    Enter it only in the device thread, because these generators belong to the whole process.
    """
    devices = [device] if is_accelerator(device) else []
    with torch.random.fork_rng(devices=devices, device_type=device.type):
        torch.manual_seed(derive_seed(seed, *purpose))
        yield
