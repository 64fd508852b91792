"""A few of the pipelines of `python -m tests.pipelines`, with fewer jobs."""

from pathlib import Path

import pytest

from tests.pipelines.comparison import TOLERANCE, compare
from tests.pipelines.registry import TRIALS

# A prior, one that draws from global generators, one whose rows depend on each other, one without scheduler.
FEW = (
    "KandinskyV22PriorPipeline",
    "ConsistencyModelPipeline",
    "OmniGenPipeline",
    "LTXLatentUpsamplePipeline",
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FEW)
def test_jobs_at_once_equal_the_stock_pipeline(name: str, tmp_path: Path) -> None:
    found = compare(TRIALS[name], tmp_path, 3)
    assert found.difference <= TOLERANCE
    assert found.effect > 10 * TOLERANCE
    assert found.draws is (name == "ConsistencyModelPipeline")
