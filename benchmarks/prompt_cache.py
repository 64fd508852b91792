"""What a repeated prompt saves, in one process and without queue.

python -m benchmarks.prompt_cache [--rounds 15] [--steps 12]

Encoders of real size with random weights, on the CPU: the time of a call that is run, of one that is answered
from the cache, and the bytes of an answer. Then pictures of pocket-diffusion: time, rows of the text encoder,
and whether the bytes are the same. It takes about half a minute and 1 GiB of memory.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.caching_executor import CachingExecutor
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.batching.prompt_cache import PromptCache
from brushwork_workers.batching.stats import BatchStats
from brushwork_workers.families.diffusion.pipeline_copies import PipelineCopies
from brushwork_workers.pocket import WEIGHTS
from diffusers import StableDiffusionPipeline
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from benchmarks.cuda_gathering import Going

PROMPT = "a red circle on a blue background"
KEPT = CallOptions("random", "text_encoder", keeps_answers=True)


def clip() -> nn.Module:
    """Return a text encoder of the size in Stable Diffusion 1.5: 123 million weights."""
    config = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    encoder: nn.Module = CLIPTextModel(config).eval()
    return encoder


def t5() -> nn.Module:
    """Return the encoder of a T5 of the size "base": 110 million weights."""
    config = T5Config(d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12)
    encoder: nn.Module = T5EncoderModel(config).eval()
    return encoder


ENCODERS: Mapping[str, tuple[Callable[[], nn.Module], int, dict[str, Any]]] = {
    "CLIP of SD 1.5": (clip, 77, {}),
    "the same, all layers": (clip, 77, {"output_hidden_states": True}),
    "T5 base, 256 tokens": (t5, 256, {}),
}


class Run:
    """An executor, with or without the cache, and the rows that text encoders had."""

    def __init__(self, cache: PromptCache | None) -> None:
        self.rows = 0
        self.cache = cache
        self._own = Batcher(64, 10**9, self._count, torch.get_num_threads())
        self.calls: ModelExecutor = self._own if cache is None else CachingExecutor(self._own, cache)

    def median_ms(self, work: Callable[[], Any], rounds: int) -> float:
        """Return the median time of a job, after one that is not counted."""
        times = []
        for _ in range(rounds + 1):
            began = time.perf_counter()
            with self.calls.job(Going()):
                work()
            times.append(time.perf_counter() - began)
        return 1000 * statistics.median(times[1:])

    def close(self) -> None:
        """End the device thread."""
        self._own.close()

    def _count(self, stats: BatchStats) -> None:
        self.rows += stats.batch.rows if stats.options.part == "text_encoder" else 0


def measure_encoders(rounds: int) -> None:
    """Print a line for each encoder."""
    print(f"{'encoder':24}{'run, ms':>10}{'kept, ms':>10}{'bytes':>14}")
    for name, (make, length, options) in ENCODERS.items():
        torch.manual_seed(0)
        encoder, ids = make(), torch.randint(1, 1000, (1, length))
        times = []
        for cache in (None, PromptCache(2**30)):
            run = Run(cache)
            work = lambda run=run: run.calls.call(KEPT, encoder, ids, **options)  # noqa: E731, B023
            times.append(run.median_ms(work, rounds))
            run.close()
        size_bytes = cache.size_bytes if cache else 0
        print(f"{name:24}{times[0]:10.2f}{times[1]:10.2f}{size_bytes:14,}", flush=True)


def measure_pictures(rounds: int, steps: int) -> None:
    """Print a line for pictures without and one for pictures with the cache, made in turns."""
    pipeline: Any = StableDiffusionPipeline.from_pretrained(WEIGHTS / "pocket-diffusion")
    pipeline.set_progress_bar_config(disable=True)
    runs = {"without the cache": Run(None), "with the cache": Run(PromptCache(2**28))}
    times: dict[str, list[float]] = {name: [] for name in runs}
    pictures = set()
    for number in range(rounds + 1):
        for name, run in runs.items():
            copy = PipelineCopies(pipeline, run.calls, CallOptions("pocket-diffusion")).new()
            run.rows = 0
            began = time.perf_counter()
            with run.calls.job(Going()):
                generator = torch.Generator().manual_seed(0)
                made = copy(PROMPT, num_inference_steps=steps, generator=generator, output_type="np")
            # The first round encodes the prompt.
            if number:
                times[name].append(time.perf_counter() - began)
            pictures.add(made.images[0].tobytes())
    print(f"\n{'pocket-diffusion':24}{'ms':>10}{'encoder rows of the last picture':>38}")
    for name, run in runs.items():
        print(f"{name:24}{1000 * statistics.median(times[name]):10.1f}{run.rows:38}")
        run.close()
    print(f"different pictures: {len(pictures)} (1: all have the same bytes)")


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    measure_encoders(options.rounds)
    measure_pictures(options.rounds, options.steps)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
