"""A small model that calls like a UNet, and jobs that call it all at once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.batching.stats import BatchStats
from diffusers.utils import BaseOutput
from torch import Tensor, nn

from tests.stops import Going

TERMS = CallOptions("tiny", "denoiser")


class Denoiser(nn.Module):
    """Calls like a UNet: a sample, a timestep, nested conditions, an output object."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 4)
        self.batches: list[int] = []

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        conditions: dict[str, Tensor] | None = None,
        ids: Tensor | None = None,
        return_dict: bool = True,
    ) -> Any:
        self.batches.append(len(sample))
        if (sample > 1e6).any():
            raise ValueError("a number too large")
        value = self.layer(sample) * timestep.reshape(-1, 1)
        value = value + (conditions or {}).get("extra", torch.tensor(0.0))
        return Noise(sample=value) if return_dict else (value,)


class Noise(BaseOutput):
    sample: Tensor


@contextmanager
def batcher(
    max_rows: int = 64, max_pixels: int = 10**9, on_batch: Callable[[BatchStats], None] | None = None
) -> Iterator[Batcher]:
    opened = Batcher(max_rows, max_pixels, on_batch)
    try:
        yield opened
    finally:
        opened.close()


def together(calls: ModelExecutor, jobs: list[Callable[[], Any]]) -> list[Any]:
    """What each job returns or raises, all started at once."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        start.wait()
        with calls.job(Going()):
            try:
                return job()
            except Exception as error:
                return error

    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(run, jobs))


def ask(calls: Any, model: Denoiser, index: int, rows: int = 1, **changes: Any) -> Any:
    sample = torch.full((rows, 4), float(index))
    return calls.call(TERMS, model, sample, torch.tensor(float(index)), **changes)


@torch.no_grad()
def alone(model: Denoiser, index: int, rows: int = 1) -> Tensor:
    return model(torch.full((rows, 4), float(index)), torch.tensor(float(index))).sample
