"""Deliver due events: to many receivers at the same time, to each one event of a tenant at a time."""

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from brushwork_core.ledger.outbox import MOST_AT_ONCE, DueEvent, Outbox, WaitingEvent
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.telemetry.log import bound, learned
from brushwork_core.telemetry.trace_context import TraceContext, propagated
from brushwork_schemas.errors import BrushworkError, JobNotFound, ServiceUnreachable
from brushwork_schemas.job import Job
from brushwork_schemas.states import JobState

from brushwork.webhooks.answer import DeliveryAnswer
from brushwork.webhooks.metrics import DeliveryOutcome, SenderMetrics
from brushwork.webhooks.payload import Payload, payload, payload_of_start
from brushwork.webhooks.places import Places
from brushwork.webhooks.schedule import Schedule
from brushwork.webhooks.signature import Signature
from brushwork.webhooks.webhook_client import WebhookClient

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
LOGGER = logging.getLogger(__name__)
LOOK_S = 0.5
CLOSING_S = 3.0
DATABASE_THREADS = 8
# A lookup may go on after the time limit of its delivery, while the next delivery has its place already.
LOOKUPS_EACH = 2


@dataclass(frozen=True)
class Delivery:
    """An event that is being delivered."""

    event: DueEvent
    task: "asyncio.Task[None]"


class Sender:
    """Delivers the events of jobs until it is stopped. Several senders may run at the same time.

    Args:
        outbox: The events.
        index: Reads the jobs.
        webhook_client: Posts webhooks.
        signature: Signs webhooks.
        schedule: Decides when a failed event is tried again.
        num_receivers: Most deliveries at the same time, which tenants share. A receiver gets at most one
            event of each tenant at a time.
        look_s: Seconds between two queries for due events.
        closing_s: Seconds that running deliveries get after `stop`.
        metrics: Counts attempts.
    """

    def __init__(
        self,
        outbox: Outbox,
        index: JobIndex,
        webhook_client: WebhookClient,
        signature: Signature,
        schedule: Schedule,
        *,
        num_receivers: int = 64,
        look_s: float = LOOK_S,
        closing_s: float = CLOSING_S,
        metrics: SenderMetrics | None = None,
    ) -> None:
        self._outbox = outbox
        self._index = index
        self._webhook_client = webhook_client
        self._signature = signature
        self._schedule = schedule
        self._places = Places(num_receivers)
        self._look_s = look_s
        self._closing_s = closing_s
        self._metrics = metrics or SenderMetrics()
        self._running: dict[str, Delivery] = {}
        # The threads of the event loop look up names, and a lookup that gets no answer cannot be interrupted.
        self._database_threads = ThreadPoolExecutor(DATABASE_THREADS, "outbox")
        self._num_lookups = LOOKUPS_EACH * num_receivers
        self._wake = asyncio.Event()
        self._stopping = False
        self._has_database = True

    async def run(self) -> None:
        """Deliver until `stop`. Then running deliveries get a few seconds; the others are given back."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(self._num_lookups, "lookup"))
        while not self._stopping:
            self._wake.clear()
            await self._begin()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._look_s)
        await self._finish()

    def stop(self) -> None:
        """Make `run` return. Call it in the event loop."""
        self._stopping = True
        self._wake.set()

    async def _in_thread(
        self, run: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Run a function that uses the database, with the context of the log."""
        call = partial(contextvars.copy_context().run, partial(run, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._database_threads, call)

    async def _begin(self) -> None:
        for event in await self._due():
            task = asyncio.create_task(self._deliver(event))
            self._running[event.receiver] = Delivery(event, task)

    async def _due(self) -> list[DueEvent]:
        if self._places.free <= 0:
            return []
        chosen: list[WaitingEvent] = []
        due: list[DueEvent] = []
        try:
            waiting = await self._in_thread(self._outbox.due, MOST_AT_ONCE, busy=tuple(self._running))
            chosen = self._places.chosen(waiting)
            due = await self._in_thread(self._outbox.lease, chosen)
        except ServiceUnreachable as error:
            if self._has_database:
                LOGGER.warning("No events are delivered until the database answers: %s", error)
            self._has_database = False
            return []
        finally:
            # Another sender has taken the rest.
            for event_id in {event.id for event in chosen} - {event.id for event in due}:
                self._places.give_back(event_id)
        self._has_database = True
        return due

    async def _deliver(self, event: DueEvent) -> None:
        outcome = DeliveryOutcome.BROKEN_OFF
        try:
            with bound(event=event.id, job=event.job_id), self._metrics.running.track_inprogress():
                answer = await self._answer(event)
                outcome = await self._in_thread(self._settle, event, answer)
        except JobNotFound:
            LOGGER.info("Event %s was removed with its job.", event.id)
        except ServiceUnreachable as error:
            # It is delivered again when its lease has expired, possibly twice, with the same id.
            LOGGER.warning("Event %s is delivered again later: %s", event.id, error)
        finally:
            self._metrics.ended(outcome)
            self._running.pop(event.receiver, None)
            self._places.give_back(event.id)
            self._wake.set()

    async def _answer(self, event: DueEvent) -> DeliveryAnswer:
        try:
            job = await self._in_thread(self._index.get, event.job_id)
            trace = TraceContext.read(job.traceparent)
            learned(trace=trace and trace.trace_id)
            body = _payload(event, job).model_dump_json()
            headers = self._signature.headers(event.id, event.taken_at, body) | propagated(job.traceparent)
            began = time.monotonic()
            answer = await self._webhook_client.deliver(event.url, headers, body)
            took_s = time.monotonic() - began
            self._metrics.took(took_s)
            self._places.took(event.receiver, took_s, has_answered=answer.status is not None)
            return answer
        except BrushworkError:
            raise
        except Exception as error:
            # A bug. It counts as an attempt, so that one event cannot block its receiver for ever.
            LOGGER.exception("Event %s cannot be delivered.", event.id)
            return DeliveryAnswer(
                error=f"The sender failed with {type(error).__name__}. Its log has the traceback."
            )

    def _settle(self, event: DueEvent, answer: DeliveryAnswer) -> DeliveryOutcome:
        """Record the result of an attempt, and return its outcome."""
        pause_s = self._schedule.pause_s(event.attempts, answer.retry_after_s)
        if answer.error is None:
            self._outbox.delivered(event, answer.status or 0)
            LOGGER.info("Event %s was delivered to %s.", event.id, event.receiver)
            return DeliveryOutcome.DELIVERED
        if answer.is_gone:
            num_dead = self._outbox.close_address(event, error=answer.error, status=answer.status or 0)
            LOGGER.warning(
                "Event %s: %s wants no more events at this address. %d events are not delivered.",
                event.id,
                event.receiver,
                num_dead,
            )
            return DeliveryOutcome.GONE
        if answer.is_final or pause_s is None:
            self._outbox.mark_dead(event, error=answer.error, status=answer.status)
            LOGGER.warning(
                "Event %s is given up after %d attempts: %s", event.id, event.attempts, answer.error
            )
            return DeliveryOutcome.DEAD
        self._outbox.retry(event, pause_s, error=answer.error, status=answer.status)
        LOGGER.info("Event %s is tried again in %.0f s: %s", event.id, pause_s, answer.error)
        return DeliveryOutcome.RETRIED

    async def _finish(self) -> None:
        deliveries = list(self._running.values())
        if not deliveries:
            return
        _, late = await asyncio.wait([delivery.task for delivery in deliveries], timeout=self._closing_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for delivery in deliveries:
            if delivery.task in late:
                with contextlib.suppress(ServiceUnreachable):
                    await self._in_thread(self._outbox.give_back, delivery.event)


def _payload(event: DueEvent, job: Job) -> Payload:
    return payload_of_start(job, event.created_at) if event.state is JobState.RUNNING else payload(job)
