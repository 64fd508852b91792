"""The signed headers of Standard Webhooks 1.0.0: id, time and signature."""

import base64
import re
from datetime import datetime

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from standardwebhooks import Webhook

PREFIX = "whsec_"
SHORTEST_KEY, LONGEST_KEY = 24, 64
_HOW = (
    "Set BRUSHWORK_WEBHOOK_SECRET to the output of `echo whsec_$(openssl rand -base64 32)`. `brushwork up` "
    "makes a secret itself."
)
# The signed text separates id, time and body with full stops.
_UNSAFE = re.compile(r"[^A-Za-z0-9_:-]")


class Signature:
    """Makes the headers by which a receiver verifies a webhook.

    Args:
        secret: `whsec_` and the base64 of 24 to 64 bytes. Several secrets, separated by spaces, all sign, so
            that receivers can change from one to the next.

    Raises:
        InvalidRequest: A secret is missing or malformed.
    """

    def __init__(self, secret: str) -> None:
        secrets = secret.split()
        if not secrets:
            raise InvalidRequest(
                "webhook_secret: required to sign webhooks.", field="webhook_secret", hint=_HOW
            )
        for each in secrets:
            _check(each)
        self._signers = [Webhook(each) for each in secrets]

    def headers(self, event_id: str, moment: datetime, body: str) -> dict[str, str]:
        """Return the three headers for a body.

        Args:
            event_id: Id of the event, the same at every attempt.
            moment: Time of sending, in UTC.
            body: The body exactly as it is sent.
        """
        name = webhook_id(event_id)
        return {
            "webhook-id": name,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": " ".join(signer.sign(name, moment, body) for signer in self._signers),
        }


def webhook_id(event_id: str) -> str:
    """Return the id of an event for the header, with unsafe characters %-encoded."""
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", event_id)


def _check(secret: str) -> None:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    # binascii.Error is a ValueError; a character outside of ASCII raises one too.
    except ValueError:
        key = b""
    if not secret.startswith(PREFIX) or not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        # Not with the secret itself, which may be right except for a character.
        raise InvalidRequest(
            said(
                "webhook_secret: must be {prefix} and the base64 of {shortest_key} to {longest_key} bytes.",
                prefix=PREFIX,
                shortest_key=SHORTEST_KEY,
                longest_key=LONGEST_KEY,
            ),
            field="webhook_secret",
            hint=_HOW,
        )
