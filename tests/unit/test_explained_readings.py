"""A quick form of `python -m tests.explained_readings`, and its measure."""

import numpy as np
import pytest

from benchmarks.pocket_cells import CELLS
from tests.explained_readings import area_under_roc, words_inside, wrong_pixels


def test_entropy_finds_wrong_pixels() -> None:
    figures = wrong_pixels(CELLS[:2], number=2, seed=7)
    assert figures["wrong"] > 0
    assert figures["entropy AUROC"] >= 0.9
    assert figures["confidence AUROC"] >= 0.9


def test_the_map_of_a_shape_word_lies_inside_its_object() -> None:
    figures = words_inside(CELLS[1:2], number=1, seed=7, languages=("en",))
    assert figures["two en shape"]["inside"] >= 0.5
    assert figures["two en shape"]["area"] < 0.2


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    scores, is_wrong = np.round(rng.normal(size=60), 1), rng.random(60) < 0.3
    wrong, right = scores[is_wrong][:, None], scores[~is_wrong][None]
    pairs = (wrong > right) + 0.5 * (wrong == right)
    assert area_under_roc(scores, is_wrong) == pytest.approx(pairs.mean())
