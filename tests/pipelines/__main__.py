"""Runs the comparison for all pipelines, or for those that are named, and prints a table."""

import argparse
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import torch
from diffusers.utils import logging
from transformers.utils import logging as transformers_logging

from tests.pipelines.comparison import NUM_JOBS, TOLERANCE, compare
from tests.pipelines.registry import TRIALS

_COLUMNS = (
    "pipeline",
    "difference",
    "spread",
    "effect",
    "calls in a batch",
    "own modules",
    "draws",
    "seconds",
)


def main() -> int:
    """Print a line for each pipeline; return how many are not equal to diffusers."""
    parser = argparse.ArgumentParser(prog="python -m tests.pipelines", description=__doc__)
    parser.add_argument("names", nargs="*", help="classes of pipelines, or parts of their names")
    parser.add_argument("--jobs", type=int, default=NUM_JOBS, help="jobs at once (%(default)s)")
    parser.add_argument("--errors", action="store_true", help="print tracebacks")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    chosen = [name for name in TRIALS if not arguments.names or any(each in name for each in arguments.names)]
    print(f"| {' | '.join(_COLUMNS)} |")
    print("|---" * len(_COLUMNS) + "|")
    wrong = sum(not _compared(name, arguments.jobs, arguments.errors) for name in chosen)
    print(f"{len(chosen) - wrong} of {len(chosen)} are equal to diffusers within {TOLERANCE:g}")
    return wrong


def _compared(name: str, num_jobs: int, shows_errors: bool) -> bool:
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = compare(TRIALS[name], Path(folder), num_jobs)
    except Exception as error:
        print(f"| {name} | {type(error).__name__}: {str(error)[:200]!r} |", flush=True)
        if shows_errors:
            print("".join(traceback.format_exception(error)[-3:]))
        return False
    values = [
        f"{found.difference:.1e}",
        f"{found.spread:.2f}",
        f"{found.effect:.2f}",
        f"{found.rows:.1f}",
        ", ".join(found.own),
        "yes" if found.draws else "",
        f"{time.monotonic() - began:.1f}",
    ]
    print(f"| {name} | {' | '.join(values)} |", flush=True)
    return found.difference <= TOLERANCE


if __name__ == "__main__":
    raise SystemExit(main())
