"""Trains the pocket models, one part or all of them in order.

    python -m recipes.pocket.train all --minutes 540 --resume --out runs/main

Goes on from the last checkpoint as often as it is called, on a CUDA device if there is one, else on the CPU.
"""

import argparse
import math
import os
import sys
import time
from functools import partial
from pathlib import Path

import torch

from recipes.pocket import gang
from recipes.pocket.device import device
from recipes.pocket.stages import PARTS, Stopped, run_all, run_part
from recipes.pocket.training import TimeBudget
from recipes.pocket.warm import unpack

EXIT_GO_ON = 75
"""The piece of time is over and a part unfinished: call again (EX_TEMPFAIL)."""
EXIT_GATE = 3
"""A gate was not reached within its part's budget: call again with more minutes."""


def main() -> None:
    """Parses the arguments and trains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", choices=(*PARTS, "all"))
    parser.add_argument(
        "--minutes", type=_positive, required=True, help="time budget of the part, or of all parts together"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument(
        "--piece", type=_positive, help="minutes after which to stop for now, with exit code 75"
    )
    parser.add_argument(
        "--from-shipped", action="store_true", help="start from the weights that ship instead of from nothing"
    )
    parser.add_argument("--past-gates", action="store_true", help="go on where a gate was not reached")
    parser.add_argument("--out", type=Path, default=Path("runs/main"), help="folder of what is made")
    parser.add_argument("--processes", type=int, default=_processes(), help="that train side by side")
    arguments = parser.parse_args()
    if arguments.processes < 1:
        parser.error("--processes: at least 1 has to train")
    if arguments.from_shipped:
        unpack(arguments.out)
    sys.exit(gang.run(partial(_train, arguments), arguments.processes))


def _positive(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: more than 0 minutes are needed")
    return minutes


def _processes() -> int:
    return 1 if device().type == "cuda" else min(os.cpu_count() or 1, 4)


def _train(arguments: argparse.Namespace) -> int:
    seed = time.time_ns() % 2**31 if arguments.resume else 1
    torch.manual_seed(seed + gang.place())
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
