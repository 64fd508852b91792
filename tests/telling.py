"""What is told of jobs: jobs that are over, settings to tell of them at once, and looks into the outbox."""

from collections.abc import Sequence

from brushwork_core.ledger import Ledger
from brushwork_core.ledger.outbox import Outbox, WebhookEvent
from brushwork_core.settings.settings import Settings

from tests.jobs import new_job
from tests.receivers import BOUND_S
from tests.servers import wait_until

HOUR_S = 3600.0
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def bounds(**settings: object) -> Settings:
    """Settings under which loopback may be told, and what failed is tried again at once."""
    chosen = {"webhook_private": True, "webhook_retry_s": 1e-5, "webhook_timeout_s": BOUND_S, **settings}
    return Settings.load(**chosen)


def ended(ledger: Ledger, url: str, *job_ids: str) -> None:
    ledger.submit([new_job(job_id, webhook_url=url) for job_id in job_ids])
    for job_id in job_ids:
        ledger.cancel(job_id)


def the_event(outbox: Outbox, job_id: str = "a") -> WebhookEvent:
    [event] = [event for event in outbox.list() if event.job_id == job_id]
    return event


def wait_for(outbox: Outbox, *job_ids: str, what: str = "delivered") -> None:
    """Return once all of these are delivered, dead, or have been tried."""

    def is_so(event: WebhookEvent) -> object:
        tried = event.last_error or event.last_status
        return {"delivered": event.delivered_at, "dead": event.dead, "tried": tried}[what]

    wait_until(
        lambda: all(is_so(the_event(outbox, job_id)) for job_id in job_ids), bound_s=BOUND_S, what=what
    )


def told(outbox: Outbox, ids: Sequence[str]) -> list[WebhookEvent]:
    """What the outbox says of these jobs, delivered or not."""
    return [event for event in outbox.list(limit=1000) if event.job_id in ids]


def wait_told(outbox: Outbox, ids: Sequence[str], num_moments: int = 1) -> None:
    """Until so many moments of each of these jobs are told, or nobody will try again."""

    def are_settled() -> bool:
        settled = [event for event in told(outbox, ids) if event.delivered_at or event.dead]
        return len(settled) == num_moments * len(ids)

    wait_until(are_settled, bound_s=BOUND_S, what="the telling", look_s=0.05)


def events_of(ids: Sequence[str], moments: Sequence[str] = ("succeeded",)) -> set[str]:
    """The names of the events of these jobs."""
    return {f"{job_id}:{moment}" for job_id in ids for moment in moments}
