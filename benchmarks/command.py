"""The command line that all benchmarks share: options, and output as JSON, plot and table."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, peers_environment
from benchmarks.report import DOCS, Record, Row, enter, table

Options = argparse.Namespace
PEERS = ("all", "celery", "litserve", "none")


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Args:
        name: Of its command, its files and its place in the page.
        title: In one line.
        add_options: Adds its own options.
        measure: Gives its rows, in a folder of its own that is removed afterwards.
        columns: Of the table: each one's key in the rows, and its head.
        draw: The rows as a plot, into a file.
    """

    name: str
    title: str
    add_options: Callable[[argparse.ArgumentParser], None]
    measure: Callable[[Options, Path], list[Row]]
    columns: Mapping[str, str]
    draw: Callable[[list[Row], Path], None]

    def main(self, arguments: list[str] | None = None) -> None:
        """Measure, or take an earlier run's figures, and write everything."""
        if arguments is None:
            # Asked to end, it ends what it has started, too.
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        options = self._options(arguments)
        file = options.out / f"{self.name}.json"
        if options.redraw:
            record = Record.load(file)
        else:
            record = self._measured(options)
            record.save(file)
        try:
            self.draw(list(record.rows), file.with_suffix(".png"))
        except ModuleNotFoundError as error:
            print(f"No plot, for {error.name} is not here: run it elsewhere with --redraw.")
        text = table(record.rows, self.columns)
        enter(options.page, self.name, f"{text}\n\n{machine.sentence(record.machine)}")
        print(f"\n{text}\n\n{machine.sentence(record.machine)}")

    def _options(self, arguments: list[str] | None) -> Options:
        parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{self.name}", description=self.title)
        parser.add_argument("--out", type=Path, default=DOCS / "benchmarks", help="folder for JSON and plot")
        parser.add_argument(
            "--page", type=Path, default=DOCS / "benchmarks.md", help="page that receives the table"
        )
        parser.add_argument("--redraw", action="store_true", help="redraw plot and table of the last run")
        parser.add_argument("--peers", choices=PEERS, default="all", help="peers that take part")
        # What is quicker is found before the clock starts, as for the peers.
        workers = list(dict.fromkeys((1, os.cpu_count() or 1)))
        parser.add_argument(
            "--workers", type=int, nargs="+", default=workers, help="numbers of workers for brushwork"
        )
        parser.add_argument(
            "--busy", type=int, default=0, help="processes that compute beside all contestants, all the time"
        )
        self.add_options(parser)
        return parser.parse_args(arguments)

    def _measured(self, options: Options) -> Record:
        print(self.title, flush=True)
        if options.peers in ("all", "litserve"):
            peers_environment.make()
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="brushwork-benchmark-") as folder, busy(options.busy):
            rows = self.measure(options, Path(folder))
        print(f"{time.monotonic() - began:.0f} s in all", file=sys.stderr)
        return Record(machine.facts(), _plain(options), rows)


@contextlib.contextmanager
def busy(number: int) -> Iterator[None]:
    """Keep so many cores busy, as a neighbour of the contestants would.

    Args:
        number: Number of processes.
    """
    neighbours = [
        subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"]) for _ in range(number)
    ]
    try:
        yield
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()


def _plain(options: Options) -> dict[str, object]:
    """The options that shaped the figures; paths are nobody's business."""
    kept = {name: value for name, value in vars(options).items() if not isinstance(value, Path)}
    with contextlib.suppress(KeyError):
        del kept["redraw"]
    return kept
