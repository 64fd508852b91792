"""Tells receivers of what is due, several at once and each of them one thing after the other."""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass

from brushwork_core.ledger.outbox import DueEvent, Outbox
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.telemetry.log import bound, learned
from brushwork_core.telemetry.trace_context import TraceContext, propagated
from brushwork_schemas.errors import BrushworkError, JobNotFound, ServiceUnreachable
from brushwork_schemas.job import Job
from brushwork_schemas.states import JobState

from brushwork.webhooks.answer import DeliveryAnswer
from brushwork.webhooks.courier import WebhookClient
from brushwork.webhooks.metrics import SenderMetrics
from brushwork.webhooks.payload import Payload, payload, payload_of_start
from brushwork.webhooks.schedule import Schedule
from brushwork.webhooks.signature import Signature

LOGGER = logging.getLogger(__name__)
LOOK_S = 0.5
CLOSING_S = 3.0


@dataclass(frozen=True)
class Delivery:
    """An event on its way."""

    event: DueEvent
    task: "asyncio.Task[None]"


class Sender:
    """Tells of jobs that have begun or ended, until it is told to stop. Any number of them may run.

    Args:
        outbox: What is to be told.
        index: Where the jobs are.
        webhook_client: Carries it.
        signature: Signs it.
        schedule: When what failed is tried again.
        num_receivers: Told at once; of each receiver at most one event is on its way.
        look_s: Seconds between looks for what is due.
        closing_s: How long `run`, once it is told to stop, waits for what is on its way.
        metrics: Counts what comes of tries.
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
        self._num_receivers = num_receivers
        self._look_s = look_s
        self._closing_s = closing_s
        self._metrics = metrics or SenderMetrics()
        self._on_the_way: dict[str, Delivery] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._has_database = True

    async def run(self) -> None:
        """Tell until `stop`; then what is on its way has a few seconds, and the rest is given back."""
        while not self._stopping:
            self._wake.clear()
            await self._begin()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._look_s)
        await self._finish()

    def stop(self) -> None:
        """Make `run` return; to be called in its event loop."""
        self._stopping = True
        self._wake.set()

    async def _begin(self) -> None:
        for event in await self._due():
            task = asyncio.create_task(self._tell(event))
            self._on_the_way[event.receiver] = Delivery(event, task)

    async def _due(self) -> list[DueEvent]:
        room = self._num_receivers - len(self._on_the_way)
        if room <= 0:
            return []
        try:
            due = await asyncio.to_thread(self._outbox.take, room, busy=tuple(self._on_the_way))
        except ServiceUnreachable as error:
            if self._has_database:
                LOGGER.warning("Nothing is told until the database answers: %s", error)
            self._has_database = False
            return []
        self._has_database = True
        return due

    async def _tell(self, event: DueEvent) -> None:
        outcome = "broken_off"
        try:
            with bound(event=event.id, job=event.job_id), self._metrics.on_the_way.track_inprogress():
                answer = await self._answer(event)
                outcome = await asyncio.to_thread(self._settle, event, answer)
        except JobNotFound:
            LOGGER.info("Event %s went with its job.", event.id)
        except ServiceUnreachable as error:
            # Once its lease is over. Its receiver may hear of it twice, with one id.
            LOGGER.warning("Event %s is told again later: %s", event.id, error)
        finally:
            self._metrics.ended(outcome)
            self._on_the_way.pop(event.receiver, None)
            self._wake.set()

    async def _answer(self, event: DueEvent) -> DeliveryAnswer:
        try:
            job = await asyncio.to_thread(self._index.get, event.job_id)
            trace = TraceContext.read(job.traceparent)
            learned(trace=trace and trace.trace_id)
            body = _payload(event, job).model_dump_json()
            headers = self._signature.headers(event.id, event.taken_at, body) | propagated(job.traceparent)
            began = time.monotonic()
            answer = await self._webhook_client.deliver(event.url, headers, body)
            self._metrics.took(time.monotonic() - began)
            return answer
        except BrushworkError:
            raise
        except Exception as error:
            # Ours, and counted as a try: one event is not to hold up its receiver for ever.
            LOGGER.exception("Event %s can't be told.", event.id)
            return DeliveryAnswer(
                error=f"{type(error).__name__} inside the sender; its log holds the traceback."
            )

    def _settle(self, event: DueEvent, answer: DeliveryAnswer) -> str:
        """Note what came of a try; its name in the metrics."""
        pause_s = self._schedule.pause_s(event.attempts, answer.wish_s)
        if answer.error is None:
            self._outbox.delivered(event, answer.status or 0)
            LOGGER.info("Event %s was told to %s.", event.id, event.receiver)
            return "delivered"
        if answer.is_gone:
            num_dead = self._outbox.close_address(event, error=answer.error, status=answer.status or 0)
            LOGGER.warning(
                "Event %s: %s wants no events there any more; %d will not be sent.",
                event.id,
                event.receiver,
                num_dead,
            )
            return "gone"
        if answer.is_final or pause_s is None:
            self._outbox.mark_dead(event, error=answer.error, status=answer.status)
            LOGGER.warning("Event %s is dead after %d tries: %s", event.id, event.attempts, answer.error)
            return "dead"
        self._outbox.retry(event, pause_s, error=answer.error, status=answer.status)
        LOGGER.info("Event %s is tried again in %.0f s: %s", event.id, pause_s, answer.error)
        return "retried"

    async def _finish(self) -> None:
        deliveries = list(self._on_the_way.values())
        if not deliveries:
            return
        _, late = await asyncio.wait([delivery.task for delivery in deliveries], timeout=self._closing_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for delivery in deliveries:
            if delivery.task in late:
                with contextlib.suppress(ServiceUnreachable):
                    await asyncio.to_thread(self._outbox.give_back, delivery.event)


def _payload(event: DueEvent, job: Job) -> Payload:
    return payload_of_start(job, event.created_at) if event.state is JobState.RUNNING else payload(job)
