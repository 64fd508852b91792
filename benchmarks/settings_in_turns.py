"""Many jobs at once by workers with different settings, in turns: each worker has a stack of its own."""

import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.brushwork_queue import Queue
from benchmarks.named_worker import NamedWorker, bare_stack

WORKER = {"kinds": "text-to-image", "concurrency": "64"}
ASKED = {"kind": "text-to-image", "prompt": "a red circle", "num_inference_steps": 12}


@dataclass
class Turn:
    """A stack with a worker.

    Args:
        name: What its settings are.
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
def _turns(folder: Path, settings: Mapping[str, Mapping[str, str]]) -> Iterator[list[Turn]]:
    with ExitStack() as stack:
        made = []
        for name, own in settings.items():
            place = folder / name.replace(" ", "-")
            queue, addresses = stack.enter_context(bare_stack(place))
            environment = {**addresses, **own, "BRUSHWORK_DATA": str(place)}
            worker = NamedWorker(place.name, WORKER, environment, place.with_suffix(".log"), hidden=False)
            made.append(Turn(name, queue, stack.enter_context(worker)))
        for turn in made:
            while not any(entry.ready for entry in turn.queue.client.workers()):
                time.sleep(0.2)
        yield made


def print_turns(settings: Mapping[str, Mapping[str, str]], rounds: int, number: int) -> None:
    """Print the times of many jobs at once, for each of the settings; the first ones are compared with.

    Args:
        settings: Environment variables of the workers, by name.
        rounds: Rounds that count. In each, all workers have a turn, in another order than in the one before.
        number: Jobs at once.
    """
    with tempfile.TemporaryDirectory() as folder, _turns(Path(folder), settings) as every:
        found: dict[str, list[tuple[float, float]]] = {turn.name: [] for turn in every}
        # The first round is not counted: it loads what is loaded once.
        for each in range(rounds + 1):
            for turn in every if each % 2 else reversed(every):
                figures = turn.run(number)
                if each:
                    found[turn.name].append(figures)
    first = next(iter(found))
    print(f"\n{number} jobs at once, {rounds} rounds: median (least to greatest)")
    for name, figures_of in found.items():
        walls, processor = [each[0] for each in figures_of], [each[1] for each in figures_of]
        print(f"{name}: {spread(walls)} s, {spread(processor)} s of processor time")
        if name == first:
            continue
        pairs = list(zip(found[first], figures_of, strict=True))
        ratio = statistics.median(own[1] / without[1] - 1 for without, own in pairs)
        more_ms = 1000 * statistics.median(own[1] - without[1] for without, own in pairs) / number
        print(f"  more than {first}, median of pairs: {100 * ratio:+.1f} % or {more_ms:+.2f} ms a job")


def spread(values: Sequence[float]) -> str:
    """Return median, least and greatest of some seconds."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
