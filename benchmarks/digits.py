"""Training and classification of the digits of scikit-learn through the queue, also with a killed worker.

python -m benchmarks.digits [--rounds 3] [--epochs 15]
"""

import argparse
import os
import signal
from pathlib import Path
from typing import Any, Final

from brushwork_schemas.job import Job

from benchmarks import plot
from benchmarks.brushwork_queue import Queue, brushwork_up
from benchmarks.command import Benchmark, Options
from benchmarks.digit_scans import DigitScans, digit_scans
from benchmarks.report import DOCS, Row
from tests.servers import wait_until

TRAIN: Final = "image-classification-training"
CLASSIFY: Final = "image-classification"
# Held out of what is trained on, to choose the best epoch by; the test scans play no part in that.
VALIDATION = 0.1
BOUND_S = 1800.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.set_defaults(peers="none", page=DOCS / "training.md")
    parser.add_argument(
        "--rounds", type=int, default=3, help="number of seeds for split and training: 0, 1, ..."
    )
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--image-size", type=int, default=28)


def measure(options: Options, folder: Path) -> list[Row]:
    """Each seed twice: undisturbed, and killed at half of its epochs."""
    kinds = {"kind": f"{TRAIN},{CLASSIFY}"}
    rows: list[Row] = []
    with brushwork_up(
        "brushwork", folder / "data", kinds, concurrency=16, workers=options.workers[-1], environment={}
    ) as queue:
        for seed in range(options.rounds):
            scans = digit_scans(seed)
            asked: dict[str, Any] = {
                "dataset": scans.archive,
                "image_size": options.image_size,
                "num_train_epochs": options.epochs,
                "validation_split": VALIDATION,
                "seed": seed,
            }
            rows.append(_row("undisturbed", queue, scans, queue.client.submit(TRAIN, **asked)))
            rows.append(_row("kill -9 at half", queue, scans, _killed(queue, asked, options.epochs // 2)))
    return rows


def _killed(queue: Queue, asked: dict[str, Any], after: int) -> Job:
    """A training whose worker was killed once so many epochs were done."""
    job = queue.client.submit(TRAIN, **asked)
    wait_until(lambda: len(queue.client.get(job.id).curve) >= after, bound_s=BOUND_S, what=f"{after} epochs")
    runs_it = queue.client.get(job.id).worker
    (victim,) = (worker for worker in queue.client.workers() if worker.name == runs_it)
    os.kill(victim.pid, signal.SIGKILL)
    return job


def _row(way: str, queue: Queue, scans: DigitScans, job: Job) -> Row:
    done = queue.client.wait(job.id, timeout_s=BOUND_S).raise_for_state()
    result = done.result
    row = {
        "way": f"brushwork, {way}",
        "seed": done.request.seed,
        "attempts": done.attempt,
        "epochs": len(result.curve),
        "best_epoch": result.best_epoch,
        "validation_accuracy": result.validation_accuracy,
        "test_accuracy": _test_accuracy(queue, scans, result.model_name),
        "num_tests": len(scans.tests),
        "learning_s": sum(epoch.seconds for epoch in result.curve),
        "rounds": [epoch.model_dump() for epoch in result.curve],
    }
    print(f"  {row['way']}, seed {row['seed']}: test accuracy {row['test_accuracy']:.4f}", flush=True)
    return row


def _test_accuracy(queue: Queue, scans: DigitScans, model: str) -> float:
    asked = [{"kind": CLASSIFY, "model": model, "image": picture, "top_k": 1} for picture, _ in scans.tests]
    jobs = queue.client.submit_many(asked)
    told = [queue.client.wait(job.id, timeout_s=BOUND_S).raise_for_state() for job in jobs]
    right: int = sum(
        job.result.predictions[0].label == digit for job, (_, digit) in zip(told, scans.tests, strict=True)
    )
    return right / len(told)


def draw(rows: list[Row], file: Path) -> None:
    """Test accuracy of each."""
    accuracies = {f"{row['way']}, seed {row['seed']}": row["test_accuracy"] for row in rows}
    plot.bars(file, {"test accuracy": accuracies}, "share of scans never seen that are told right")


COLUMNS = {
    "way": "who learns",
    "seed": "seed",
    "attempts": "attempts",
    "epochs": "epochs",
    "best_epoch": "best epoch",
    "validation_accuracy": "validation accuracy",
    "test_accuracy": "test accuracy",
    "num_tests": "scans tested",
    "learning_s": "seconds of learning",
}

BENCHMARK = Benchmark(
    name="digits",
    title="scikit-learn's digits learned and told apart through the queue.",
    add_options=add_options,
    measure=measure,
    columns=COLUMNS,
    draw=draw,
)

if __name__ == "__main__":
    BENCHMARK.main()
