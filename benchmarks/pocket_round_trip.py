"""Prompt to picture to caption through the queue: how often the caption matches the prompt.

    python -m benchmarks.pocket_round_trip [--count 200] [--seed 2026]

A whole stack, as started by `brushwork up`, generates pictures of held-out prompts and captions them. A
caption is correct if it names the prompt's shapes, colours, background and relation.
"""

import argparse
import tempfile
from pathlib import Path

from brushwork.client import Client

from benchmarks.brushwork_queue import brushwork_up
from benchmarks.pocket_cells import CELLS, WRITERS, Cell, descriptions
from benchmarks.pocket_paintings import agrees

_KINDS = "text-to-image,image-to-text"
_WAIT_S = 600.0


def main() -> None:
    """Prints one row a cell and language."""
    parser = argparse.ArgumentParser(description="Round trips through the queue.")
    parser.add_argument("--count", type=int, default=200, help="prompts per cell and language")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--model", default="pocket-diffusion")
    options = parser.parse_args()
    print("| prompts | named right (%) |\n|---|---|")
    with (
        tempfile.TemporaryDirectory() as folder,
        brushwork_up(
            "round trip",
            Path(folder) / "data",
            {"kind": _KINDS},
            concurrency=16,
            workers=1,
            environment={},
        ) as queue,
    ):
        for cell in CELLS:
            for language in WRITERS:
                share = round_trips(queue.client, cell, language, options)
                print(f"| {cell.name} {language} | {100 * share:.1f} |", flush=True)


def round_trips(client: Client, cell: Cell, language: str, options: argparse.Namespace) -> float:
    """Share of held-out prompts that come back as a caption that agrees with them."""
    wanted = descriptions(cell, options.count, options.seed, keep=0.75)
    painted = client.submit_many(
        {
            "kind": "text-to-image",
            "model": options.model,
            "prompt": WRITERS[language](description),
            "seed": options.seed * 100_000 + index,
        }
        for index, description in enumerate(wanted)
    )
    pictures = [client.wait(job.id, timeout_s=_WAIT_S).raise_for_state().result.images[0] for job in painted]
    asked = client.submit_many(
        {"kind": "image-to-text", "image": picture, "language": language} for picture in pictures
    )
    answers = [client.wait(job.id, timeout_s=_WAIT_S).raise_for_state().result for job in asked]
    right = [agrees(told.generated_text, d) for told, d in zip(answers, wanted, strict=True)]
    return sum(right) / len(right)


if __name__ == "__main__":
    main()
