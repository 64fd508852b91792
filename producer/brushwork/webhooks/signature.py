"""Signed headers of Standard Webhooks 1.0.0: who sent it, that it is whole, and when."""

import base64
import re
from datetime import datetime

from brushwork_schemas.errors import InvalidRequest
from standardwebhooks import Webhook

PREFIX = "whsec_"
SHORTEST_KEY, LONGEST_KEY = 24, 64
_HOW = (
    "Set BRUSHWORK_WEBHOOK_SECRET, as `brushwork up` does by itself: to what "
    "`echo whsec_$(openssl rand -base64 32)` prints."
)
# A full stop would end the id in what is signed.
_AWKWARD = re.compile(r"[^A-Za-z0-9_:-]")


class Signature:
    """Makes the headers by which a receiver knows that a webhook is ours.

    Args:
        secret: `whsec_` and the base64 of 24 to 64 bytes; several with spaces between them, each of which
            signs, while receivers change from one to another.

    Raises:
        InvalidRequest: It is none of that.
    """

    def __init__(self, secret: str) -> None:
        secrets = secret.split()
        if not secrets:
            raise InvalidRequest("There is no secret to sign with.", field="webhook_secret", hint=_HOW)
        for each in secrets:
            _check(each)
        self._signers = [Webhook(each) for each in secrets]

    def headers(self, event_id: str, moment: datetime, body: str) -> dict[str, str]:
        """The three headers for a body.

        Args:
            event_id: The same at every try of an event.
            moment: When it is sent, with its time zone UTC.
            body: Exactly what is sent.
        """
        name = webhook_id(event_id)
        return {
            "webhook-id": name,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": " ".join(signer.sign(name, moment, body) for signer in self._signers),
        }


def webhook_id(event_id: str) -> str:
    """The id of an event as the header has it: what a header or a signature can't hold is %-encoded."""
    return _AWKWARD.sub(lambda found: f"%{ord(found[0]):02X}", event_id)


def _check(secret: str) -> None:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    # binascii.Error is one, and so is what a letter that is not ASCII raises.
    except ValueError:
        key = b""
    if not secret.startswith(PREFIX) or not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        # Without the secret itself, which may be right but for a letter.
        raise InvalidRequest(
            f"webhook_secret: it is not {PREFIX} and the base64 of {SHORTEST_KEY} to {LONGEST_KEY} bytes.",
            field="webhook_secret",
            hint=_HOW,
        )
