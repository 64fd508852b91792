"""The effect of `brushwork_workers.device.cpu` on one denoiser call and one decoded batch.

python -m benchmarks.cpu_settings
"""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import torch
from brushwork_workers.device.cpu import device_thread, keep_memory

from benchmarks import painting_jobs

WAYS = {"as it comes": (False, False), "cores": (True, False), "memory": (False, True), "both": (True, True)}
TIMES = 15
PICTURES = 64


def measure(*, cores: bool, memory: bool) -> None:
    """Print milliseconds of a denoiser call of one picture, and of a decoder call of many.

    As in a worker: one thread loads the model, and computes in doing so; another runs it.
    """
    if memory:
        keep_memory()
    loaded: Future[Any] = Future()
    thread = _started(lambda: _serve(loaded.result()), cores=cores)
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(painting_jobs.MODEL)
    torch.ones(10_000_000).exp()
    loaded.set_result(pipeline)
    thread.join()


def _started(serve: Callable[[], None], *, cores: bool) -> threading.Thread:
    if cores:
        return device_thread(serve, torch.get_num_threads())
    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@torch.no_grad()
def _serve(pipeline: Any) -> None:
    side, channels = pipeline.unet.config.sample_size, pipeline.unet.config.in_channels
    words = torch.zeros(1, pipeline.tokenizer.model_max_length, pipeline.unet.config.cross_attention_dim)
    latents = torch.zeros(PICTURES, channels, side, side)
    print(f"{_milliseconds(lambda: pipeline.unet(latents[:1], 500, words)):.1f}")
    print(f"{_milliseconds(lambda: pipeline.vae.decode(latents)):.1f}")


def _milliseconds(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


def main() -> None:
    """Each way in a process of its own, for the settings hold for a whole one."""
    if len(sys.argv) > 1:
        cores, memory = WAYS[sys.argv[1]]
        return measure(cores=cores, memory=memory)
    print(f"{'':<12} denoiser, 1 picture   decoder, {PICTURES} pictures")
    for way in WAYS:
        argv = [sys.executable, "-m", "benchmarks.cpu_settings", way]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        denoiser, decoder = done.stdout.split()
        print(f"{way:<12} {denoiser:>16} ms   {decoder:>16} ms", flush=True)


if __name__ == "__main__":
    main()
