"""A pipeline of the bench through the queue. `python -m tests.pipelines --served` tries all of them."""

from pathlib import Path

from tests.pipelines.comparison import NUM_JOBS, TOLERANCE
from tests.pipelines.served import QUICK, compared, described
from tests.serving import Serving


def test_eight_jobs_at_once_equal_the_stock_pipeline(served: Serving, every_model: Path) -> None:
    for name, trial in QUICK.items():
        folder = every_model / "bench" / name
        found = compared(name, described(name, trial, folder), folder, served, NUM_JOBS)
        assert not found.reason
        assert found.difference <= TOLERANCE
        assert found.changed < 0.01
        assert found.spread > 0.01
        assert found.effect > 0.1
