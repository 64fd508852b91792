"""Edges, depth and poses: what the stock classes give, alone and beside seven other jobs."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_core.media import pictures
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue, Model, Source
from brushwork_schemas.errors import InvalidRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.batching.stats import BatchStats
from brushwork_workers.families.loaders import Loaders
from brushwork_workers.families.preprocessing.edges import edges
from brushwork_workers.families.preprocessing.skeleton import skeleton_picture
from brushwork_workers.interface import LoadSpec
from PIL import Image
from transformers import AutoImageProcessor, VitPoseForPoseEstimation, pipeline

from tests.checkpoints.preprocessors import save_depth_anything, save_dpt, save_glpn, save_vitpose
from tests.desks import PlainDesk
from tests.stops import Going

KIND = "image-preprocessing"
SHA256 = "a" * 64
NUM_JOBS = 8
ESTIMATORS: Mapping[str, tuple[str, Callable[[Path], Path]]] = {
    "depth-anything": ("depth-estimator", save_depth_anything),
    "dpt": ("depth-estimator", save_dpt),
    "glpn": ("depth-estimator", save_glpn),
    "vitpose": ("pose-estimator", save_vitpose),
}


def picture(index: int = 0, width: int = 64, height: int = 48) -> Image.Image:
    noise = np.random.default_rng(index).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {name: save(tmp_path_factory.mktemp(name)) for name, (_, save) in ESTIMATORS.items()}
    metric = save_depth_anything(tmp_path_factory.mktemp("metric"), kind="metric")
    return {**found, "depth-anything-metric": metric}


def run(model: Model, asked: Mapping[str, Any], calls: ModelExecutor, threads: int) -> list[np.ndarray]:
    """The pictures of eight jobs, all begun at once where there is a thread for each."""
    folder = model.source.folder or Path("none")
    spec = LoadSpec(model, folder, torch.device("cpu"), torch.float32, calls, model.kinds)
    handler = Loaders()[model.family](spec).handlers[KIND]
    start = threading.Barrier(threads)

    def job(index: int) -> np.ndarray:
        context = PlainDesk()
        given = {"image": context.give(picture(index)), **asked}
        request = admit(KIND, given, Catalogue({model.name: model})).request
        start.wait()
        with calls.job(Going()):
            made = handler.perform(request, context)
        return np.asarray(pictures.decode(context.store.get(made["image"].sha256)))

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(job, range(NUM_JOBS)))


def alone_and_together(
    model: Model, asked: Mapping[str, Any] | None = None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    alone = run(model, asked or {}, SerialExecutor(), threads=1)
    runs: list[BatchStats] = []
    calls = Batcher(64, 10**9, runs.append)
    try:
        together = run(model, asked or {}, calls, threads=NUM_JOBS)
    finally:
        calls.close()
    assert max(len(ran.batch.calls) for ran in runs) > 1
    return alone, together


def entry(name: str, folders: Mapping[str, Path]) -> Model:
    family = ESTIMATORS[name.removesuffix("-metric")][0]
    return Model(name=name, family=family, source=Source(folder=folders[name]))


@pytest.mark.parametrize("name", ["depth-anything", "dpt"])
def test_depth_is_that_of_the_stock_pipeline(name: str, folders: dict[str, Path]) -> None:
    stock = pipeline("depth-estimation", model=str(folders[name]), device="cpu")
    alone, together = alone_and_together(entry(name, folders))
    for index in range(NUM_JOBS):
        expected = np.asarray(stock(picture(index))["depth"].convert("RGB")).astype(int)
        assert expected.std() > 5, "a plain picture says nothing"
        for made in (alone[index], together[index]):
            # A value just below a step may be cut to the step below.
            assert np.abs(expected - made).max() <= 1


@pytest.mark.parametrize("name", ["glpn", "depth-anything-metric"])
def test_what_is_near_in_metres_is_white(name: str, folders: dict[str, Path]) -> None:
    stock = pipeline("depth-estimation", model=str(folders[name]), device="cpu")
    alone, together = alone_and_together(entry(name, folders))
    for index in range(NUM_JOBS):
        metres = stock(picture(index))["predicted_depth"].numpy()
        nearness = 1 / np.maximum(metres, 1e-3)
        share = (nearness - nearness.min()) / (nearness.max() - nearness.min())
        assert share.std() > 0.01
        for made in (alone[index], together[index]):
            assert np.abs(made[..., 0] - share * 255).max() <= 1.01


def test_a_pose_is_that_of_the_stock_class_drawn(folders: dict[str, Path]) -> None:
    boxes = [
        {"x_min": 2, "y_min": 3, "x_max": 40, "y_max": 45},
        {"x_min": 20, "y_min": 0, "x_max": 60, "y_max": 40},
    ]
    model, processor = (
        VitPoseForPoseEstimation.from_pretrained(folders["vitpose"]),
        AutoImageProcessor.from_pretrained(folders["vitpose"]),
    )
    for asked, given in (({}, [[0, 0, 64, 48]]), ({"boxes": boxes}, [[2, 3, 38, 42], [20, 0, 40, 40]])):
        alone, together = alone_and_together(entry("vitpose", folders), asked)
        for index in range(NUM_JOBS):
            with torch.no_grad():
                output = model(**processor(picture(index), boxes=[given], return_tensors="pt"))
            people = processor.post_process_pose_estimation(output, boxes=[given])[0]
            points = [
                [
                    tuple(map(float, point)) if score >= 0.3 else None
                    for point, score in zip(person["keypoints"], person["scores"], strict=True)
                ]
                for person in people
            ]
            assert sum(point is not None for person in points for point in person) > 5
            expected = np.asarray(skeleton_picture((64, 48), points))
            assert expected.std() > 5
            assert np.array_equal(alone[index], expected)
            # A point may move by a millionth of a pixel, and with it the pixels at the edge of a limb.
            assert (together[index] != expected).mean() < 0.01


def step(height: int) -> Image.Image:
    """A picture with a vertical step of so many grey values in the middle."""
    values = np.full((32, 32), 100, dtype=np.uint8)
    values[:, 16:] += np.uint8(height)
    return Image.fromarray(values).convert("RGB")


@pytest.mark.parametrize(
    ("height", "low", "high", "is_found"),
    [
        # Sobel's filter gives four times the step.
        (51, 100, 200, True),
        (49, 100, 200, False),
        (49, 100, 190, True),
        (10, 20, 39, True),
        (10, 20, 41, False),
        (120, 0, 0, True),
    ],
)
def test_thresholds_are_those_of_the_gradient(height: int, low: int, high: int, is_found: bool) -> None:
    found = np.asarray(edges(step(height), low, high).convert("L"))
    columns = np.flatnonzero(found.any(axis=0))
    assert bool(len(columns)) is is_found
    assert set(columns) <= {15, 16}
    assert set(np.unique(found)) <= {0, 255}


def test_edges_of_a_strong_line_go_on_where_it_is_weak() -> None:
    values = np.full((32, 32), 100, dtype=np.uint8)
    values[:16, 16:], values[16:, 16:] = 160, 130
    lone = np.full((32, 32), 100, dtype=np.uint8)
    lone[16:, 16:] = 130
    assert np.asarray(edges(Image.fromarray(values), 100, 200))[28].any()
    assert not np.asarray(edges(Image.fromarray(lone), 100, 200))[28].any()


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 1), (1, 300)])
def test_a_tiny_picture_has_edges_of_its_own_size(size: tuple[int, int]) -> None:
    assert edges(Image.new("RGB", size, "red"), 100, 200).size == size


def test_the_default_model_needs_no_files_and_its_thresholds_are_filled_in() -> None:
    admitted = admit(KIND, {"image": SHA256}, Catalogue.load())
    assert (admitted.model.name, admitted.request.low_threshold, admitted.request.high_threshold) == (  # type: ignore[attr-defined]
        "canny",
        100,
        200,
    )
    with SerialExecutor().job(Going()):
        made = run(admitted.model, {}, SerialExecutor(), threads=1)
    assert np.array_equal(made[0], np.asarray(edges(picture(0), 100, 200)))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"low_threshold": 300}, "low_threshold: 300 is higher than high_threshold, 200"),
        ({"low_threshold": 11, "high_threshold": 10}, "low_threshold: 11 is higher than high_threshold, 10"),
        ({"high_threshold": 1501}, "high_threshold"),
        ({"low_threshold": -1}, "low_threshold"),
        ({"boxes": [{"x_min": 0, "y_min": 0, "x_max": 4, "y_max": 4}]}, "boxes: canny does not accept"),
    ],
)
def test_what_the_edges_cannot_do_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        admit(KIND, {"image": SHA256, **asked}, Catalogue.load())


def test_a_skeleton_has_a_neck_between_the_shoulders() -> None:
    person: list[tuple[float, float] | None] = [None] * 17
    person[5], person[6] = (40.0, 20.0), (20.0, 20.0)
    drawn = np.asarray(skeleton_picture((64, 64), [person]))
    # The neck is the second point and orange; the limbs are the first two and red and orange, but darker.
    assert tuple(drawn[20, 30]) == (255, 85, 0)
    assert tuple(drawn[20, 25]) == (153, 0, 0)
    assert tuple(drawn[20, 35]) == (153, 51, 0)
    person[5] = None
    assert tuple(np.asarray(skeleton_picture((64, 64), [person]))[20, 30]) == (0, 0, 0)
