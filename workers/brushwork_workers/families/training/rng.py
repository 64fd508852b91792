"""Random numbers of a training: each purpose has a start of its own, so that any epoch can be made again."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(seed: int, *purpose: object) -> int:
    """A start of random numbers: of the job's seed and of what they are for."""
    digest = hashlib.sha256(":".join(map(str, (seed, *purpose))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A generator on the CPU that begins there."""
    return torch.Generator().manual_seed(derive_seed(seed, *purpose))


@contextmanager
def seeded(device: torch.device, seed: int, *purpose: object) -> Iterator[None]:
    """Inside, torch's own random numbers (of dropout, of new weights) begin there; afterwards as before.

    Only the device thread may enter: they belong to the whole process.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive_seed(seed, *purpose))
        yield
