"""Statistics of the batching in workers, as a table."""

from collections.abc import Iterable, Mapping

from brushwork_schemas.worker import SeenWorker
from rich.console import Group
from rich.table import Table

COLUMNS = (
    "worker",
    "module",
    "runs",
    "calls",
    "rows",
    "full",
    "wait",
    "longest",
    "busy",
    "ran because",
    "not in",
)


def batching_table(seen: Iterable[SeenWorker]) -> Table:
    """Return a table with one row for each module of each worker.

    The columns "calls", "rows" and "full" are means over the batches: number of calls and rows, and the share
    of the largest number of rows. "wait" is the mean time that a call waited. "ran because" counts the
    batches by reason, "not in" the waiting calls that were left out of a batch by reason.
    """
    table = Table(*COLUMNS, box=None, header_style="bold")
    for worker in seen:
        for module, stats in worker.batching.items():
            table.add_row(
                worker.name,
                module,
                str(stats["runs"]),
                f"{stats['mean_calls']:.1f}",
                f"{stats['mean_rows']:.1f}",
                f"{stats['occupancy']:.0%}",
                f"{1000 * stats['mean_wait_s']:.1f} ms",
                f"{1000 * stats['longest_wait_s']:.0f} ms",
                f"{stats['busy_s']:.1f} s",
                _counts(stats["ran_because"]),
                _counts(stats["passed_over"]),
            )
    return table


def _counts(counts: Mapping[str, int]) -> Group:
    return Group(*(f"{reason} {count}" for reason, count in counts.items()))
