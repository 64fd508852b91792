"""`brushwork queues`."""

from rich.table import Table

from brushwork.cli.commands.jobs import AsJson
from brushwork.cli.connection import connect
from brushwork.cli.terminal import DATA, print_json


def queues(as_json: AsJson = False) -> None:
    """Show the number of waiting and running jobs and of workers for each kind."""
    with connect() as client:
        found = client.queues()
    if as_json:
        return print_json(found)
    table = Table("kind", "waiting", "running", "longest wait", "workers", box=None, header_style="bold")
    for queue in found:
        oldest = "" if queue.oldest_s is None else f"{queue.oldest_s:.0f} s"
        waiting = str(queue.in_redis + queue.in_ledger)
        table.add_row(queue.kind, waiting, str(queue.running), oldest, str(queue.workers))
    DATA.print(table)
