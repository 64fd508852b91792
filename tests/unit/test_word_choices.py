"""The squares that explain the words of a caption, for pictures of any proportions."""

import pytest
from brushwork_schemas.kinds.explanations.calls import (
    MOST_CALLS,
    MOST_WINDOWS_BY_DEFAULT,
    Grid,
    num_calls,
    word_choices,
)
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.kinds.image_to_text import ImageToTextRequest

SIZES = [(64, 64), (1, 1), (3, 500), (640, 64), (4000, 3000), (16, 9000)]


@pytest.mark.parametrize("size", SIZES)
def test_the_smallest_of_five_sizes_comes_first_and_all_are_few(size: tuple[int, int]) -> None:
    choices = word_choices(Explain(method="tokens"), *size)
    grids = [Grid.of(*size, choice) for choice in choices]
    assert len(grids) == 5
    assert grids[0].patch == min(grid.patch for grid in grids)
    assert all(grid.num_windows <= MOST_WINDOWS_BY_DEFAULT for grid in grids)


@pytest.mark.parametrize("size", SIZES)
def test_the_default_is_never_refused(size: tuple[int, int]) -> None:
    request = ImageToTextRequest.model_validate({"image": "0" * 64, "explain": {"method": "tokens"}})
    windows = sum(Grid.of(*size, each).num_windows + 1 for each in word_choices(request.explain, *size))
    assert num_calls(request, *size) == windows + 1 < MOST_CALLS


@pytest.mark.parametrize("given", [{"patch_size": 16}, {"stride": 4}, {"patch_size": 16, "stride": 4}])
def test_a_size_of_the_request_is_the_only_one(given: dict[str, int]) -> None:
    explain = Explain.model_validate({"method": "tokens", **given})
    assert word_choices(explain, 64, 64) == (explain,)
