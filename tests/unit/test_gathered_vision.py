"""Captions, classes and masks from shared runs of the models that ship equal those made alone."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_core.media import pictures
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest
from brushwork_schemas.kinds.image_to_text import ImageToTextRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.batching.stats import BatchStats
from brushwork_workers.families.loaders import Loaders
from brushwork_workers.interface import Handler, LoadSpec
from brushwork_workers.models.location import locate
from PIL import Image

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import sample_test
from recipes.pocket.scenes.staging import WIDE, stage
from tests.desks import PlainDesk
from tests.stops import Going

NUM_JOBS = 16
Result = dict[str, Any]


def drawn(index: int) -> Image.Image:
    rng = np.random.default_rng(index)
    scene = stage(sample_test(1 + index % 2, rng, 1.0, False), WIDE, rng)
    return Image.fromarray(world.draw(scene, 64, world.VARIED, rng))


PICTURES = [drawn(index) for index in range(NUM_JOBS)]


def load(kind: str, calls: ModelExecutor) -> Handler:
    model = Catalogue.load().of_kind(kind)[0]
    place = LoadSpec(model, locate(model), torch.device("cpu"), torch.float32, calls, model.kinds)
    return Loaders()[model.family](place).handlers[kind]


def run(kind: str, ask: Callable[[str, int], Any], calls: ModelExecutor, threads: int) -> list[Result]:
    """What each of sixteen jobs gives, all begun at once where there is a thread for each."""
    handler = load(kind, calls)
    start = threading.Barrier(threads)

    def job(index: int) -> Result:
        context = PlainDesk()
        request = ask(context.give(PICTURES[index]), index)
        start.wait()
        with calls.job(Going()):
            made = handler.perform(request, context)
        if "mask" in made:
            made["pixels"] = np.array(pictures.decode(context.store.get(made["mask"].sha256)))
        return made

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(job, range(NUM_JOBS)))


def alone_and_together(kind: str, ask: Callable[[str, int], Any]) -> list[tuple[Result, Result]]:
    alone = run(kind, ask, SerialExecutor(), threads=1)
    runs: list[BatchStats] = []
    calls = Batcher(64, 10**9, runs.append)
    try:
        together = run(kind, ask, calls, threads=NUM_JOBS)
    finally:
        calls.close()
    print(f"mean batch {np.mean([len(ran.batch.calls) for ran in runs]):.1f}")
    assert max(len(ran.batch.calls) for ran in runs) > 1
    return list(zip(alone, together, strict=True))


def test_captions_of_shared_runs_are_word_for_word_the_same() -> None:
    def ask(image: str, index: int) -> ImageToTextRequest:
        return ImageToTextRequest(image=image, language="zh" if index % 4 == 0 else "en", max_new_tokens=18)

    pairs = alone_and_together("image-to-text", ask)
    for alone, together in pairs:
        assert alone["generated_text"] == together["generated_text"]
    assert len({alone["generated_text"] for alone, _ in pairs}) > NUM_JOBS // 2


def test_classes_of_shared_runs_have_the_same_scores() -> None:
    def ask(image: str, index: int) -> ImageClassificationRequest:
        return ImageClassificationRequest(image=image, top_k=3 + index % 2)

    for alone, together in alone_and_together("image-classification", ask):
        assert [each.label for each in alone["predictions"]] == [e.label for e in together["predictions"]]
        scores = [each.score for each in together["predictions"]]
        assert [each.score for each in alone["predictions"]] == pytest.approx(scores, abs=1e-5)


def test_masks_of_shared_runs_are_the_same() -> None:
    def ask(image: str, index: int) -> ImageSegmentationRequest:
        return ImageSegmentationRequest(image=image, overlay=False)

    for alone, together in alone_and_together("image-segmentation", ask):
        # Two classes that are equally likely to the last digit may change places.
        assert (alone["pixels"] != together["pixels"]).mean() < 1e-3
        assert together["areas"].keys() == alone["areas"].keys()
