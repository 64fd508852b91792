"""Tiles of a large picture: they cover it once, are of one size, and see beyond their part."""

import itertools

import pytest
from brushwork_workers.families.upscaling.tiles import MARGIN, spans, tiles
from hypothesis import given
from hypothesis import strategies as st


@given(length=st.integers(1, 3000), side=st.integers(3 * MARGIN, 600))
def test_spans_answer_for_each_pixel_once_and_see_their_neighbours(length: int, side: int) -> None:
    found = spans(length, side)
    assert found[0].owned_start == 0
    assert found[-1].owned_stop == length
    for left, right in itertools.pairwise(found):
        assert left.owned_stop == right.owned_start
        assert left.owned_stop <= left.stop - MARGIN
        assert right.owned_start >= right.start + MARGIN
    assert {span.stop - span.start for span in found} == {min(length, side)}
    assert all(0 <= span.start <= span.owned_start < span.owned_stop <= span.stop <= length for span in found)


@pytest.mark.parametrize(("length", "number"), [(64, 1), (65, 2), (96, 2), (97, 3), (128, 3)])
def test_as_few_as_overlap_enough(length: int, number: int) -> None:
    assert len(spans(length, 64)) == number


def test_a_picture_is_tiled_row_by_row() -> None:
    assert [tile.box for tile in tiles((96, 64), 64)] == [(0, 0, 64, 64), (32, 0, 96, 64)]
