"""What is read from the batches of a worker: the wait of a job in steps, and shares of rows."""

import json
from pathlib import Path

import pytest

from tests.fairness.batches import Batches


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    lines = [
        {"began_s": 1.0, "took_s": 0.4, "part": "unet", "rows": {"many-1": 2, "many-2": 2}},
        {"began_s": 2.0, "took_s": 0.4, "part": "unet", "rows": {"many-1": 2, "many-2": 2}},
        {"began_s": 3.0, "took_s": 0.1, "part": "text_encoder", "rows": {"own": 1}},
        {"began_s": 4.0, "took_s": 0.6, "part": "unet", "rows": {"many-1": 2, "many-2": 2, "own": 4}},
    ]
    file = tmp_path / "batches.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)) + '\n{"began_s": 5')
    return Batches(file)


def test_a_job_waits_for_the_steps_that_others_begin_meanwhile(batches: Batches) -> None:
    assert batches.steps_until("own", 0.5) == 2
    assert batches.steps_until("own", 1.5) == 1
    assert batches.steps_until("own", 2.5) == 0
    assert batches.steps_until("absent", 0.5) is None


def test_the_share_is_of_the_rows_of_steps(batches: Batches) -> None:
    assert batches.share({"own"}, 3.0, 9.0) == 0.5
    assert batches.share({"own"}, 0.0, 9.0) == 0.25
    assert batches.share({"own"}, 0.0, 2.0) == 0.0
    assert (batches.num_steps(0.0, 2.0), batches.median_step_s(0.0, 9.0)) == (2, 0.4)
