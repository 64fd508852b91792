"""The process `brushwork webhooks send`."""

import asyncio
import logging
import signal

from brushwork_core.database.database import Database
from brushwork_core.fleet.process_identity import identity
from brushwork_core.ledger.outbox import Outbox
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry import log
from brushwork_core.telemetry.build_info import BuildInfo
from brushwork_core.telemetry.process_reports import ProcessReports
from brushwork_core.telemetry.reporter import Reporter

from brushwork.webhooks.metrics import SenderMetrics
from brushwork.webhooks.schedule import Schedule
from brushwork.webhooks.sender import Sender
from brushwork.webhooks.signature import Signature
from brushwork.webhooks.webhook_client import WebhookClient

LOGGER = logging.getLogger(__name__)
# Added to the time limit of a delivery: a name lookup cannot be interrupted, and the database may be slow.
LEASE_SLACK_S = 60.0


def serve(settings: Settings, *, num_receivers: int) -> None:
    """Send webhooks until SIGTERM or Ctrl-C.

    Args:
        settings: Settings with the database and the secret.
        num_receivers: Most receivers at the same time.

    Raises:
        InvalidRequest: The secret is missing or malformed.
        ServiceMisconfigured: The database refuses this program, or its tables are of another version.
        ServiceUnreachable: The database does not answer.
    """
    secret = settings.webhook_secret
    signature = Signature(secret.get_secret_value() if secret else "")
    log.capture(settings.log_format)
    log.set_up(settings.log_format)
    process = identity("sender")
    database = Database(settings.database_url.get_secret_value(), f"webhooks {process.name}")
    database.migrate()
    metrics = SenderMetrics()
    metrics.registry.register(BuildInfo("sender"))
    reporter = Reporter(ProcessReports(database), process, metrics.registry)
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
    async with webhook_client_of(settings) as webhook_client:
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
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, sender.stop)
        LOGGER.info("Ready: delivers to up to %d receivers at the same time.", num_receivers)
        await sender.run()


def webhook_client_of(settings: Settings) -> WebhookClient:
    """Return the HTTP client for webhooks, with the limits of the settings."""
    return WebhookClient(total_s=settings.webhook_timeout_s, private=settings.webhook_private)


def outbox_of(settings: Settings, database: Database) -> Outbox:
    """Return the outbox, with a lease that is longer than any delivery."""
    return Outbox(database, lease_s=settings.webhook_timeout_s + LEASE_SLACK_S)
