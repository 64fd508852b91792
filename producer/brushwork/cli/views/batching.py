"""How workers gather the calls of their jobs, as a table."""

from collections.abc import Iterable, Mapping

from brushwork_schemas.worker import SeenWorker
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
    """A row for each module of each worker.

    Means of a run: calls and rows it held, the share of the most rows it may have ("full"); of a call: how
    long it waited. "ran because" counts the runs, "not in" the calls that waited and had no part in one.
    """
    table = Table(*COLUMNS, box=None, header_style="bold")
    for worker in seen:
        for module, told in worker.batching.items():
            table.add_row(
                worker.name,
                module,
                str(told["runs"]),
                f"{told['mean_calls']:.1f}",
                f"{told['mean_rows']:.1f}",
                f"{told['occupancy']:.0%}",
                f"{1000 * told['mean_wait_s']:.1f} ms",
                f"{1000 * told['longest_wait_s']:.0f} ms",
                f"{told['busy_s']:.1f} s",
                _counts(told["ran_because"]),
                _counts(told["passed_over"]),
            )
    return table


def _counts(counts: Mapping[str, int]) -> str:
    return "\n".join(f"{reason} {count}" for reason, count in counts.items())
