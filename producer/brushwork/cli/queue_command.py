"""`brushwork queues`."""

from collections.abc import Sequence

from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.queue_state import QueueState, queue_states
from brushwork_schemas.settings import Settings
from pydantic import BaseModel
from rich.table import Table

from brushwork.cli.connection import open_database
from brushwork.cli.job_commands import AsJson
from brushwork.cli.terminal import DATA, print_json


class _Listed(BaseModel):
    """What a gateway answers."""

    queues: list[QueueState]


def queues(as_json: AsJson = False) -> None:
    """Show how much waits and runs of each kind, and how many workers are there for it."""
    settings = Settings.load()
    if settings.url is not None:
        found: Sequence[QueueState] = _by_http(settings, settings.url)
    else:
        with open_database() as database:
            found = queue_states(database, fresh_s=settings.lease_s)
    if as_json:
        return print_json(found)
    table = Table("kind", "waiting", "running", "oldest waits", "workers", box=None, header_style="bold")
    for queue in found:
        oldest = "" if queue.oldest_s is None else f"{queue.oldest_s:.0f} s"
        waiting = str(queue.in_redis + queue.in_ledger)
        table.add_row(queue.kind, waiting, str(queue.running), oldest, str(queue.workers))
    DATA.print(table)


def _by_http(settings: Settings, url: str) -> list[QueueState]:
    # Here, for it brings an HTTP client along, which most commands do without.
    import httpx

    from brushwork.doors.call import Call
    from brushwork.doors.connection import Connection, answer_of
    from brushwork.doors.problem import error_of

    key = settings.api_key.get_secret_value() if settings.api_key else None
    connection = Connection(url, key, 0.0)
    try:
        with httpx.Client(**connection.options()) as http:
            answer = answer_of(http.request(**connection.request(Call("GET", "/v1/queues"))))
    except httpx.TransportError as error:
        raise ServiceUnreachable(
            f"The gateway at {connection.address} does not answer: {error}.", field="url"
        ) from error
    if answer.status >= httpx.codes.MULTIPLE_CHOICES:
        raise error_of(answer, connection.address)
    return _Listed.model_validate_json(answer.content).queues
