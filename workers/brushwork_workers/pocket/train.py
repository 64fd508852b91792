"""Trains pocket models: `python -m brushwork_workers.pocket.train PART --minutes N --resume --out DIR`."""

import argparse
import importlib
from pathlib import Path

import torch

PARTS = ("classifier", "segmenter", "autoencoder", "decoder", "text_encoder", "denoiser", "captioner")


def main() -> None:
    """Parses the arguments and trains one part, or all of them in order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=(*PARTS, "all"))
    parser.add_argument("--minutes", type=float, required=True, help="time budget of each part")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of what is made")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    for part in PARTS if arguments.part == "all" else (arguments.part,):
        module = importlib.import_module(f"brushwork_workers.pocket.recipe.{part}")
        module.train(arguments.out, arguments.minutes, arguments.resume)


if __name__ == "__main__":
    main()
