"""Train the pocket models, one part or all parts in order.

    python -m recipes.pocket.train all --minutes 540 --resume --out runs/main

With --resume, each run continues from the last checkpoint. It uses a CUDA device if there is one, else the
CPU.
"""

import argparse
import math
import os
import sys
import time
from functools import partial
from pathlib import Path

import torch

from recipes.pocket.stages import PARTS, Stopped, run_all, run_part
from recipes.pocket.training import process_group
from recipes.pocket.training.device import device
from recipes.pocket.training.initial_weights import copy_shipped_weights
from recipes.pocket.training.loop import TimeBudget

EXIT_GO_ON = 75
"""The time of --piece is over and a part is unfinished: run again (EX_TEMPFAIL)."""
EXIT_GATE = 3
"""A gate was not reached within the budget of its part: run again with more minutes."""


def main() -> None:
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", choices=(*PARTS, "all"))
    parser.add_argument(
        "--minutes", type=_positive, required=True, help="time budget of the part, or of all parts together"
    )
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    parser.add_argument(
        "--piece", type=_positive, help="stop after so many minutes with exit code 75; run again to continue"
    )
    parser.add_argument(
        "--from-shipped", action="store_true", help="start from the shipped weights instead of random ones"
    )
    parser.add_argument(
        "--past-gates", action="store_true", help="continue after a gate that was not reached"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/main"), help="output folder")
    parser.add_argument("--processes", type=int, default=_processes(), help="number of training processes")
    arguments = parser.parse_args()
    if arguments.processes < 1:
        parser.error("--processes must be at least 1")
    if arguments.from_shipped:
        copy_shipped_weights(arguments.out)
    sys.exit(process_group.run(partial(_train, arguments), arguments.processes))


def _positive(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of minutes")
    return minutes


def _processes() -> int:
    return 1 if device().type == "cuda" else min(os.cpu_count() or 1, 4)


def _train(arguments: argparse.Namespace) -> int:
    seed = time.time_ns() % 2**31 if arguments.resume else 1
    torch.manual_seed(seed + process_group.rank())
    until_s = time.monotonic() + 60 * arguments.piece if arguments.piece else float("inf")
    budget = TimeBudget(arguments.minutes, arguments.resume, until_s)
    try:
        if arguments.part == "all":
            finished = run_all(arguments.out, budget, arguments.past_gates)
        else:
            finished = run_part(arguments.part, arguments.out, budget)
    except Stopped as stop:
        print(stop, flush=True)
        return EXIT_GATE
    return 0 if finished else EXIT_GO_ON


if __name__ == "__main__":
    main()
