"""`brushwork queues`."""

from rich.table import Table

from brushwork.cli.commands.jobs import AsJson
from brushwork.cli.connection import connect
from brushwork.cli.terminal import DATA, print_json


def queues(as_json: AsJson = False) -> None:
    """Show the number of waiting and running jobs and of workers with a model for each kind."""
    with connect() as client:
        found = client.queues()
    if as_json:
        return print_json(found)
    table = Table(box=None, header_style="bold")
    for heading in ("kind", "waiting", "running", "longest wait", "workers"):
        table.add_column(heading, no_wrap=True)
    table.add_column("models on no worker", overflow="fold")
    for queue in found:
        oldest = "" if queue.oldest_s is None else f"{queue.oldest_s:.0f} s"
        waiting = str(queue.in_redis + queue.in_ledger)
        workers = str(queue.workers)
        if queue.workers_without_model:
            workers += f" (and {queue.workers_without_model} without a model)"
        absent = ", ".join(queue.models_on_no_worker)
        table.add_row(queue.kind, waiting, str(queue.running), oldest, workers, absent)
    DATA.print(table)
