"""Eight videos at once are those of each job alone. `python -m tests.video_pipelines` tries all classes."""

import pytest

from tests.video_pipelines import QUICK, TOLERANCE, compared


@pytest.mark.parametrize("name", QUICK)
def test_eight_jobs_at_once_equal_each_alone(name: str) -> None:
    difference, runs = compared(name)
    assert difference <= TOLERANCE
    assert max(len(ran.batch.calls) for ran in runs) > 2
