"""Whether webhooks can be signed, and whether any are given up."""

from collections.abc import Iterator

from brushwork_core.ledger.outbox import Outbox
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import InvalidRequest

from brushwork.doctor.database_check import existing
from brushwork.doctor.finding import Finding, fail, ok, warn
from brushwork.webhooks.signature import Signature

ABOUT = "webhooks"


def check_webhooks(settings: Settings) -> Iterator[Finding]:
    """The secret, and what is dead."""
    secret = settings.webhook_secret
    if secret is None:
        hint = "Set BRUSHWORK_WEBHOOK_SECRET to what this prints: echo whsec_$(openssl rand -base64 32)"
        yield warn(ABOUT, "There is no secret, so nobody is told of the ends of jobs.", hint)
    else:
        try:
            Signature(secret.get_secret_value())
        except InvalidRequest as error:
            yield fail(ABOUT, error.message, error.hint)
        else:
            yield ok(ABOUT, "The secret is well made.")
    yield from _dead(settings)


def _dead(settings: Settings) -> Iterator[Finding]:
    with existing(settings) as database:
        dead = Outbox(database).list(dead=True, limit=1) if database else []
    if dead:
        hint = "See: brushwork webhooks list --dead; to try again: brushwork webhooks replay --dead"
        yield warn(ABOUT, f"Events are given up; the newest was for {dead[0].url}.", hint)
