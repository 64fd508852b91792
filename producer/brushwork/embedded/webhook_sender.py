"""The webhook sender in the embedded stack, and its secret."""

import base64
import sys
from collections.abc import Mapping

from brushwork_core.settings.environment import variable

from brushwork.embedded.child import Part
from brushwork.embedded.data_folder import DataFolder

# More than the time that the sender gives to running deliveries.
GRACE_S = 6.0


def webhook_sender(folder: DataFolder, addresses: Mapping[str, str]) -> Part:
    """Return the part that sends webhooks."""
    argv = (sys.executable, "-m", "brushwork", "webhooks", "send")
    environment = {**addresses, "BRUSHWORK_DATA": str(folder.path)}
    return Part("webhooks", argv, environment, grace_s=GRACE_S)


def secret(folder: DataFolder) -> str:
    """Return the secret of webhooks: the one in the environment, else one that is made once and kept."""
    chosen = variable("BRUSHWORK_WEBHOOK_SECRET")
    return chosen or "whsec_" + base64.b64encode(folder.secret("webhooks").encode("ascii")).decode("ascii")
