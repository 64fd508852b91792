"""Replace shipped models by newly trained ones: `python -m recipes.pocket.ship MODEL`."""

import argparse
from pathlib import Path

from brushwork_workers.pocket import WEIGHTS

from recipes.pocket.shipping import MODELS, ship


def main() -> None:
    """Parse the arguments and write the models in half precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", choices=MODELS)
    parser.add_argument("--out", type=Path, default=Path("runs/main"), help="output folder of the training")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder to write into")
    arguments = parser.parse_args()
    for model in arguments.models:
        try:
            ship(model, arguments.out, arguments.weights)
        except FileNotFoundError as error:
            parser.error(str(error))


if __name__ == "__main__":
    main()
