"""A worker whose jobs do nothing: everything is real except the handler of `text-to-image`.

python -m benchmarks.empty_worker [--concurrency 16]
"""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from brushwork_core.settings.settings import Settings
from brushwork_workers.interface import LoadedModules
from brushwork_workers.process.service import serve

KIND = "text-to-image"


class Nothing:
    """A performer that makes no picture."""

    def warm_up(self) -> None:
        """Nothing to warm up."""

    def perform(self, request: Any, context: object) -> dict[str, Any]:
        """No pictures."""
        return {"images": (), "seed": request.seed, "seeds": ()}


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="A worker whose jobs do nothing.")
    parser.add_argument("--concurrency", type=int, default=4)
    serve_nothing(parser.parse_args().concurrency)


def serve_nothing(concurrency: int, name: str | None = None, kinds: Sequence[str] = (KIND,)) -> NoReturn:
    """Serve until told to stop.

    Args:
        concurrency: How many jobs run at the same time.
        name: The worker's name; None for one with its process id.
        kinds: The kinds that it serves; only text-to-image has a handler.
    """
    serve(
        Settings.load(),
        kinds=kinds,
        name=name,
        concurrency=concurrency,
        log_level="warning",
        loaders={"stable-diffusion": lambda spec: LoadedModules({KIND: Nothing()})},
    )


if __name__ == "__main__":
    main()
