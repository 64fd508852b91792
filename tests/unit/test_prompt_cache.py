"""A repeated prompt: no row for a text encoder, and the same bytes as without the cache."""

import gc
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import AddOn, Model, Source
from brushwork_schemas.families.registry import family_of
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.caching_executor import CachingExecutor
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.engine_use import note_engine
from brushwork_workers.batching.metrics import PromptCacheMetrics
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.batching.prompt_cache import ENTRY_BYTES, Lookups, PromptCache
from brushwork_workers.batching.stats import BatchStats
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.families.diffusion.pipelines import Pipelines
from brushwork_workers.interface import FoundAddOn, Handler, LoadSpec
from diffusers import DiffusionPipeline, FluxPipeline, StableDiffusionPipeline
from prometheus_client import CollectorRegistry
from torch import Tensor, nn

from tests.checkpoints import lora
from tests.desks import PlainDesk
from tests.stops import Going, Stopped, Switch
from tests.tiny_models import save_stable_diffusion, stable_diffusion
from tests.tiny_pipelines import FAMILIES

MIB = 2**20
KEPT = CallOptions("tiny", "text_encoder", keeps_answers=True)
OTHERS = CallOptions("tiny", "unet")


class Encoder(nn.Module):
    """Answers like a text encoder, and notes each call."""

    def __init__(self) -> None:
        super().__init__()
        self.eval()
        self.calls: list[int] = []
        self.broken = False

    def forward(self, ids: Tensor, mask: Any = None, scale: Any = 1, generator: Any = None) -> Any:
        self.calls.append(len(ids))
        if self.broken:
            raise ValueError("broken")
        note_engine("text_encoder", "openvino")
        return {"hidden": (ids.float() * scale, ids.float() + 1), "cache": None}


@dataclass
class Rows:
    """The rows of each part, by `BatchStats`."""

    of: Counter[str] = field(default_factory=Counter)

    def add(self, stats: BatchStats) -> None:
        self.of[stats.options.part] += stats.batch.rows

    @property
    def encoder(self) -> int:
        return sum(rows for part, rows in self.of.items() if part.startswith("text_encoder"))


@contextmanager
def batching(cache: PromptCache | None) -> Iterator[tuple[ModelExecutor, Rows]]:
    rows = Rows()
    own = Batcher(64, 10**9, rows.add)
    try:
        yield own if cache is None else CachingExecutor(own, cache), rows
    finally:
        own.close()


def ask(calls: ModelExecutor, encoder: nn.Module, ids: list[int], *, alone: bool = False, **more: Any) -> Any:
    """Call an encoder in a job of its own."""
    with calls.job(Going(), alone=alone):
        return calls.call(KEPT, encoder, torch.tensor([ids]), **more)


def caching(max_bytes: int = MIB) -> tuple[CachingExecutor, PromptCache]:
    cache = PromptCache(max_bytes)
    return CachingExecutor(SerialExecutor(), cache, shares_batches=False), cache


class Pictures:
    """Pictures of one tiny pipeline, each of a job of its own."""

    def __init__(self, family: type[DiffusionPipeline], calls: ModelExecutor) -> None:
        known = family_of(family.__name__)
        assert known is not None
        pipeline: Any = FAMILIES[family]()
        pipeline.set_progress_bar_config(disable=True)
        for component in pipeline.components.values():
            if isinstance(component, nn.Module):
                component.eval()
        self._own: dict[str, Any] = {"max_sequence_length": 16} if family is FluxPipeline else {}
        self._pipelines = Pipelines(pipeline, known.name, calls, CallOptions("tiny"))
        self._calls = calls

    def make(self, prompt: str, *, alone: bool = False, **more: Any) -> np.ndarray:
        with self._calls.job(Going(), alone=alone):
            return np.asarray(
                self._pipelines.new("text-to-image")(
                    prompt=prompt,
                    num_inference_steps=1,
                    generator=torch.Generator().manual_seed(3),
                    output_type="np",
                    width=32,
                    height=32,
                    **self._own,
                    **more,
                ).images[0]
            )


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_a_repeated_prompt_has_no_encoder_rows_and_the_same_bytes(family: type[DiffusionPipeline]) -> None:
    has_negative = family is not FluxPipeline
    texts = [{"negative_prompt": text} if has_negative else {} for text in ("", "a star")]
    with batching(None) as (calls, rows):
        plain = Pictures(family, calls)
        expected = [plain.make(prompt, **more) for prompt in ("a red circle", "a star") for more in texts]
        assert rows.encoder
    with batching(PromptCache(64 * MIB)) as (calls, rows):
        cached = Pictures(family, calls)
        for number in range(3):
            before = rows.encoder
            made = [cached.make(prompt, **more) for prompt in ("a red circle", "a star") for more in texts]
            assert [np.array_equal(*pair) for pair in zip(made, expected, strict=True)] == [True] * 4
            assert (rows.encoder > before) is (number == 0)
    assert len({picture.tobytes() for picture in expected}) == (4 if has_negative else 2)


def test_clip_skip_chooses_from_what_is_kept() -> None:
    skips = (None, 1, None, 1)
    with batching(None) as (calls, _):
        plain = Pictures(StableDiffusionPipeline, calls)
        expected = [plain.make("a star", clip_skip=skip) for skip in skips]
    assert not np.array_equal(expected[0], expected[1])
    cache = PromptCache(64 * MIB)
    with batching(cache) as (calls, rows):
        cached = Pictures(StableDiffusionPipeline, calls)
        made, seen = [], []
        for skip in skips:
            made.append(cached.make("a star", clip_skip=skip))
            seen.append(rows.encoder)
    assert [np.array_equal(*pair) for pair in zip(made, expected, strict=True)] == [True] * 4
    assert seen[0] < seen[1] == seen[2] == seen[3]


def found(name: str, folder: Path) -> FoundAddOn:
    return FoundAddOn(
        AddOn(name=name, type="lora", family="stable-diffusion", source=Source(folder=folder)), folder
    )


def handler(folder: Path, calls: ModelExecutor) -> Handler:
    model = Model(name="tiny", family="stable-diffusion", source=Source(folder=folder / "model"))
    spec = LoadSpec(
        model,
        folder / "model",
        torch.device("cpu"),
        torch.float32,
        calls,
        ("text-to-image",),
        {name: found(name, folder / name) for name in ("one", "two")},
    )
    return load(spec).handlers["text-to-image"]


@pytest.mark.filterwarnings("ignore:Already found a `peft_config` attribute:UserWarning")
def test_each_choice_of_adapters_has_answers_of_its_own(tmp_path: Path) -> None:
    save_stable_diffusion(tmp_path / "model")
    for seed, name in enumerate(("one", "two")):
        lora.save(tmp_path / name, stable_diffusion(), seed=seed)
    choices: list[list[dict[str, Any]]] = [[], [{"name": "one"}], [{"name": "one", "weight": 0.5}]]
    choices += [[{"name": "two"}], [{"name": "two"}, {"name": "one"}]]
    calls, cache = caching(64 * MIB)

    def picture(served: Handler, executor: ModelExecutor, loras: list[dict[str, Any]]) -> bytes:
        given = {"prompt": "a red circle", "width": 32, "height": 32, "num_inference_steps": 1, "seed": 5}
        request = TextToImageRequest.model_validate(given | {"guidance_scale": 2.0, "loras": loras})
        with executor.job(Going()):
            return np.asarray(served.perform(request, PlainDesk())["images"][0].pil()).tobytes()

    plain = SerialExecutor()
    without, served = handler(tmp_path, plain), handler(tmp_path, calls)
    expected = [picture(without, plain, loras) for loras in choices]
    assert len(set(expected)) == len(choices)
    for number in range(2):
        assert [picture(served, calls, loras) for loras in choices] == expected
        # Two calls for each choice: the prompt and the empty negative prompt.
        assert cache.lookups()["tiny text_encoder"] == Lookups(hits=number * 10, misses=10)


def test_the_answer_is_a_copy_each_time() -> None:
    (calls, _), encoder = caching(), Encoder()
    first = ask(calls, encoder, [1, 2])
    first["hidden"][0].zero_()
    second = ask(calls, encoder, [1, 2])
    assert second["hidden"][0].tolist() == [[1.0, 2.0]]
    second["hidden"][1].zero_()
    assert ask(calls, encoder, [1, 2])["hidden"][1].tolist() == [[2.0, 3.0]]
    assert encoder.calls == [1]


@pytest.mark.parametrize(
    "changed",
    [
        {"ids": torch.tensor([[1, 3]])},
        {"ids": torch.tensor([[1, 2]], dtype=torch.int32)},
        {"ids": torch.tensor([[1], [2]])},
        {"mask": torch.tensor([[1, 1]])},
        {"scale": 2},
        {"scale": 1.0},
        {"scale": True},
    ],
    ids=str,
)
def test_any_other_argument_is_another_call(changed: dict[str, Any]) -> None:
    (calls, cache), encoder = caching(), Encoder()
    given = {"ids": torch.tensor([[1, 2]]), "mask": torch.tensor([[1, 0]]), "scale": 1}
    with calls.job(Going()):
        for arguments in (given, given | changed, given, given | changed):
            calls.call(KEPT, encoder, **arguments)
    assert len(encoder.calls) == 2
    assert cache.lookups()["tiny text_encoder"] == Lookups(hits=2, misses=2)


def test_only_answers_that_arguments_decide_are_kept() -> None:
    (calls, cache), encoder = caching(), Encoder()
    with calls.job(Going()):
        for _ in range(2):
            calls.call(KEPT, encoder, torch.ones(1, 2), generator=torch.Generator())
            calls.call(OTHERS, encoder, torch.ones(1, 2))
            calls.call(KEPT, encoder, torch.full((1, 2), float("inf")))
    encoder.train()
    ask(calls, encoder, [1, 1])
    encoder.eval()
    # A warm-up is no job, and has to run the module.
    calls.call(KEPT, encoder, torch.ones(1, 2))
    assert len(encoder.calls) == 8
    assert cache.size_bytes == 0


def test_another_module_shares_no_answer_and_takes_its_own_along() -> None:
    (calls, cache), first, second = caching(), Encoder(), Encoder()
    ask(calls, first, [1])
    ask(calls, second, [1])
    assert len(second.calls) == 1
    both = cache.size_bytes
    del first
    gc.collect()
    assert cache.size_bytes == both / 2
    ask(calls, second, [1])
    assert len(second.calls) == 1


def test_the_least_recently_used_is_dropped_by_bytes() -> None:
    row_bytes = ENTRY_BYTES + 2 * 64 * 4
    (calls, cache), encoder = caching(2 * row_bytes), Encoder()
    rows = {name: [number] * 64 for number, name in enumerate("abc")}
    for name in "abacab":
        ask(calls, encoder, rows[name])
        assert cache.size_bytes <= 2 * row_bytes
    # c displaced b, not a, which was used since; b then displaced c.
    assert cache.lookups()["tiny text_encoder"] == Lookups(hits=2, misses=4)
    assert cache.size_bytes == 2 * row_bytes
    ask(calls, encoder, [1] * 1024)
    ask(calls, encoder, [1] * 1024)
    assert encoder.calls[-2:] == [1, 1]
    assert cache.size_bytes == 2 * row_bytes, "an answer that is too large displaces none"


def test_a_slice_of_a_batch_keeps_only_its_own_bytes() -> None:
    cache, encoder, start = PromptCache(MIB), Encoder(), threading.Barrier(4)
    with batching(cache) as (calls, _), ThreadPoolExecutor(4) as pool:

        def job(number: int) -> None:
            start.wait()
            ask(calls, encoder, [number] * 64)

        list(pool.map(job, range(4)))
    kept = [leaf for answer in cache._answers.values() for leaf in answer.leaves if leaf is not None]
    assert {leaf.untyped_storage().nbytes() for leaf in kept} == {64 * 4}


def test_a_job_that_must_be_alone_gets_only_what_was_computed_alone() -> None:
    cache, encoder = PromptCache(MIB), Encoder()
    with batching(cache) as (calls, rows):
        ask(calls, encoder, [1])
        ask(calls, encoder, [1], alone=True)
        assert rows.encoder == 2
        ask(calls, encoder, [1], alone=True)
        ask(calls, encoder, [1])
        assert rows.encoder == 2


def test_a_job_that_fails_leaves_nothing_behind() -> None:
    (calls, cache), encoder = caching(), Encoder()
    encoder.broken = True
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            ask(calls, encoder, [1])
    assert cache.size_bytes == 0
    encoder.broken = False
    assert ask(calls, encoder, [1])["hidden"][0].tolist() == [[1.0]]


def test_a_stopped_job_gets_no_answer_and_others_see_their_progress() -> None:
    (calls, _), encoder, switch, seen = caching(), Encoder(), Switch(), []
    ask(calls, encoder, [1])
    with calls.job(switch, on_progress=lambda: seen.append("progress")):
        calls.call(KEPT, encoder, torch.tensor([[1]]))
        assert seen == ["progress"]
        switch.stop()
        with pytest.raises(Stopped):
            calls.call(KEPT, encoder, torch.tensor([[1]]))


@pytest.mark.parametrize("make", [lambda cache: SerialExecutor(), lambda cache: Batcher(64, 10**9)])
def test_provenance_names_what_has_computed_the_answer(make: Callable[[Any], ModelExecutor]) -> None:
    own, encoder = make(None), Encoder()
    calls = CachingExecutor(own, PromptCache(MIB))
    for _ in range(2):
        names: dict[str, set[str]] = {}
        with calls.job(Going(), on_engines=lambda each: names.update(each)):  # noqa: B023
            calls.call(KEPT, encoder, torch.tensor([[1]]))
        assert names == {"text_encoder": {"openvino"}}
    assert encoder.calls == [1]
    calls.close()


def test_many_threads_get_the_answers_of_their_own_prompts() -> None:
    # Room for a few answers only, so that threads also displace each other's.
    cache, encoder = PromptCache(4 * (ENTRY_BYTES + 512)), Encoder()
    with batching(cache) as (calls, _), ThreadPoolExecutor(16) as pool:

        def job(number: int) -> bool:
            answer = ask(calls, encoder, [number % 7] * 64, alone=number % 3 == 0)
            found = bool((answer["hidden"][1] == number % 7 + 1).all())
            answer["hidden"][1].zero_()
            return found

        assert all(pool.map(job, range(400)))
    counts = cache.lookups()["tiny text_encoder"]
    assert counts.hits + counts.misses == 400
    assert sum(encoder.calls) == counts.misses
    assert cache.size_bytes == sum(answer.size_bytes for answer in cache._answers.values())


def test_the_hit_rate_is_in_the_metrics() -> None:
    (calls, cache), encoder, registry = caching(), Encoder(), CollectorRegistry()
    registry.register(PromptCacheMetrics(cache))
    for _ in range(3):
        ask(calls, encoder, [1])
    labels = {"module": "tiny text_encoder"}
    assert registry.get_sample_value("brushwork_prompt_cache_hits_total", labels) == 2
    assert registry.get_sample_value("brushwork_prompt_cache_misses_total", labels) == 1
    assert registry.get_sample_value("brushwork_prompt_cache_bytes") == cache.size_bytes > 0
