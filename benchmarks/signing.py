"""What Content Credentials cost.

python -m benchmarks.signing [--repeats 50] [--rounds 5] [--jobs 64] [--side 512]

First, signatures alone: milliseconds of processor time (of all repeats the least, for other programs only
add to it) and bytes, by format; then for a picture that was made from a signed one, and for reading. Then
many jobs at once, by two workers with stacks of their own, one with a key and one without, in turns: seconds
to the last result, and processor time of the worker. `--repeats 3 --rounds 0` is the quick form.
"""

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from brushwork_core.provenance.credentials.development import development_identity, write_development_identity
from brushwork_core.provenance.credentials.ingredients import Ingredient
from brushwork_core.provenance.credentials.kept import kept_credentials
from brushwork_core.provenance.credentials.reader import read_credentials
from brushwork_core.provenance.credentials.signer import Signer
from brushwork_core.provenance.facts import DigitalSource, InputPicture, PictureFacts
from PIL import Image
from skimage import data

from benchmarks.brushwork_queue import Queue
from benchmarks.named_worker import NamedWorker, bare_stack

FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "avif": "image/avif"}
MADE = PictureFacts(DigitalSource.GENERATED, "text-to-image", "pocket-diffusion", "0" * 64, "1.0.0")
CHANGED = PictureFacts(
    DigitalSource.COMPOSITE,
    "image-to-image",
    "pocket-diffusion",
    "0" * 64,
    "1.0.0",
    (InputPicture("0" * 64, "image"),),
)
WORKER = {"kinds": "text-to-image", "concurrency": "64"}
ASKED = {"kind": "text-to-image", "prompt": "a red circle", "num_inference_steps": 12}


def encoded(side: int, form: str) -> bytes:
    """Return a photograph of this size."""
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).resize((side, side)).save(buffer, form.upper(), quality=90)
    return buffer.getvalue()


def least_ms(act: Callable[[], object], repeats: int) -> float:
    """Return the least processor time of a call, in milliseconds. The first call is not counted."""
    act()
    times = []
    for _ in range(repeats):
        began = time.process_time()
        act()
        times.append((time.process_time() - began) * 1000)
    return min(times)


def print_signatures(side: int, repeats: int) -> None:
    """Print the cost of a signature by format."""
    signer = Signer(development_identity())
    source = signer.sign(encoded(side, "png"), "image/png", MADE)
    print("| picture | format | ms to sign | bytes | signed input: ms | bytes | ms to read | ms to keep |")
    print("|---|---|---|---|---|---|---|---|")
    for form, media_type in FORMATS.items():
        plain = encoded(side, form)
        inputs = {"0" * 64: Ingredient(source, "image/png")}
        made, changed = signer.sign(plain, media_type, MADE), signer.sign(plain, media_type, CHANGED, inputs)
        figures = (
            f"{least_ms(lambda: signer.sign(plain, media_type, MADE), repeats):.2f}",  # noqa: B023
            f"{len(made) - len(plain)}",
            f"{least_ms(lambda: signer.sign(plain, media_type, CHANGED, inputs), repeats):.2f}",  # noqa: B023
            f"{len(changed) - len(plain)}",
            f"{least_ms(lambda: read_credentials(made), repeats):.2f}",  # noqa: B023
            f"{least_ms(lambda: kept_credentials(made), repeats):.2f}",  # noqa: B023
        )
        print(f"| {side} x {side} | {form} | {' | '.join(figures)} |")


@dataclass
class Turn:
    """A stack with a worker.

    Args:
        name: Whether it signs.
        queue: Its client.
        worker: Its worker.
    """

    name: str
    queue: Queue
    worker: NamedWorker

    def run(self, number: int) -> tuple[float, float]:
        """Return the seconds of so many jobs at once, and the processor time of the worker."""
        before = self._cpu_s()
        spent = self.queue.burst([{**ASKED, "seed": seed} for seed in range(number)])
        return spent, self._cpu_s() - before

    def _cpu_s(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self.worker.tree())


@contextmanager
def turns(folder: Path) -> Iterator[list[Turn]]:
    """Two stacks, without and with a key."""
    chain, key = write_development_identity(folder)
    signs = {"BRUSHWORK_CREDENTIALS_CHAIN": str(chain), "BRUSHWORK_CREDENTIALS_KEY": str(key)}
    with ExitStack() as stack:
        made = []
        for name, more in (("without", {}), ("with", signs)):
            queue, addresses = stack.enter_context(bare_stack(folder / name))
            environment = {**addresses, **more, "BRUSHWORK_DATA": str(folder / name)}
            worker = NamedWorker(name, WORKER, environment, folder / f"{name}.log", hidden=False)
            made.append(Turn(name, queue, stack.enter_context(worker)))
        for turn in made:
            while not any(entry.ready for entry in turn.queue.client.workers()):
                time.sleep(0.2)
        yield made


def print_jobs(rounds: int, number: int) -> None:
    """Print the times of many jobs at once, with and without a key."""
    with tempfile.TemporaryDirectory() as folder, turns(Path(folder)) as both:
        found: dict[str, list[tuple[float, float]]] = {turn.name: [] for turn in both}
        # The first round is not counted: it loads what is loaded once.
        for each in range(rounds + 1):
            for turn in both if each % 2 else reversed(both):
                figures = turn.run(number)
                if each:
                    found[turn.name].append(figures)
    print(f"\n{number} jobs at once, {rounds} rounds: median (least to greatest)")
    for name, figures_of in found.items():
        walls, processor = [each[0] for each in figures_of], [each[1] for each in figures_of]
        print(f"{name} credentials: {_spread(walls)} s, {_spread(processor)} s of processor time")
    ratios = [with_key[1] / without[1] - 1 for without, with_key in zip(*found.values(), strict=True)]
    print(f"more processor time with a key, median of pairs: {100 * statistics.median(ratios):+.1f} %")


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=64)
    parser.add_argument("--side", type=int, default=512)
    chosen = parser.parse_args(arguments)
    print_signatures(chosen.side, chosen.repeats)
    if chosen.rounds:
        print_jobs(chosen.rounds, chosen.jobs)


if __name__ == "__main__":
    main()
