"""The sender of webhooks beside the embedded stack, and the secret that it signs with."""

import base64
import sys
from collections.abc import Mapping

from brushwork_core.settings.environment import variable

from brushwork.embedded.child import Part
from brushwork.embedded.data_folder import DataFolder

# A little more than the sender gives to what is on its way.
GRACE_S = 6.0


def webhook_sender(folder: DataFolder, addresses: Mapping[str, str]) -> Part:
    """The part that sends webhooks."""
    argv = (sys.executable, "-m", "brushwork", "webhooks", "send")
    environment = {**addresses, "BRUSHWORK_DATA": str(folder.path)}
    return Part("webhooks", argv, environment, grace_s=GRACE_S)


def secret(folder: DataFolder) -> str:
    """What webhooks are signed with: the operator's choice, else one that is made at first and kept."""
    chosen = variable("BRUSHWORK_WEBHOOK_SECRET")
    return chosen or "whsec_" + base64.b64encode(folder.secret("webhooks").encode("ascii")).decode("ascii")
