"""Puts trained models in the place of those that ship: `python -m recipes.pocket.ship MODEL`."""

import argparse
from pathlib import Path

from brushwork_workers.pocket import WEIGHTS

from recipes.pocket.shipping import MODELS, ship


def main() -> None:
    """Parses the arguments and writes the models in half precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", choices=MODELS)
    parser.add_argument("--out", type=Path, default=Path("runs/main"), help="folder of what was trained")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder to write into")
    arguments = parser.parse_args()
    for model in arguments.models:
        try:
            ship(model, arguments.out, arguments.weights)
        except FileNotFoundError as error:
            parser.error(str(error))


if __name__ == "__main__":
    main()
