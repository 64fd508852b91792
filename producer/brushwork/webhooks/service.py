"""The process `brushwork webhooks send`: everything put together once, and its life."""

import asyncio
import logging
import signal

from brushwork_core.database.database import Database
from brushwork_core.ledger.outbox import Outbox
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry import log
from brushwork_core.telemetry.process_reports import ProcessReports
from brushwork_core.telemetry.reporter import Reporter, process_name

from brushwork.webhooks.courier import WebhookClient
from brushwork.webhooks.metrics import SenderMetrics
from brushwork.webhooks.schedule import Schedule
from brushwork.webhooks.sender import Sender
from brushwork.webhooks.signature import Signature

LOGGER = logging.getLogger(__name__)
# Beyond a delivery's time: looking up a name can't be broken off, and the database may be slow.
LEASE_SLACK_S = 60.0


def serve(settings: Settings, *, num_receivers: int) -> None:
    """Send webhooks until SIGTERM or Ctrl-C.

    Args:
        settings: Where the ledger is, and what to sign with.
        num_receivers: Told at once.

    Raises:
        InvalidRequest: There is no secret, or it is none.
    """
    secret = settings.webhook_secret
    signature = Signature(secret.get_secret_value() if secret else "")
    log.set_up(settings.log_format)
    database = Database(settings.database_url.get_secret_value())
    metrics = SenderMetrics()
    reporter = Reporter(ProcessReports(database), process_name("sender"), "sender", metrics.registry)
    reporter.start()
    try:
        asyncio.run(_send(settings, database, signature, num_receivers, metrics))
    finally:
        reporter.stop()
        database.close()


async def _send(
    settings: Settings,
    database: Database,
    signature: Signature,
    num_receivers: int,
    metrics: SenderMetrics,
) -> None:
    async with courier_of(settings) as webhook_client:
        sender = Sender(
            outbox_of(settings, database),
            JobIndex(database),
            webhook_client,
            signature,
            Schedule(settings.webhook_retry_s),
            num_receivers=num_receivers,
            metrics=metrics,
        )
        loop = asyncio.get_running_loop()
        for wish in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(wish, sender.stop)
        LOGGER.info("Ready: tells up to %d receivers at once.", num_receivers)
        await sender.run()


def courier_of(settings: Settings) -> WebhookClient:
    """Who carries, within the bounds that are set."""
    return WebhookClient(total_s=settings.webhook_timeout_s, private=settings.webhook_private)


def outbox_of(settings: Settings, database: Database) -> Outbox:
    """The outbox, with a lease that outlasts any delivery."""
    return Outbox(database, lease_s=settings.webhook_timeout_s + LEASE_SLACK_S)
