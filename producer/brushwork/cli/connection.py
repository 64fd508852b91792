"""How a command finds the service it talks to."""

import os

from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.settings import ENV_FILE, data_dir

from brushwork.client import Client


def connect() -> Client:
    """A client of the service that the environment or `brushwork.env` names.

    Raises:
        ServiceUnreachable: Neither names one.
    """
    env_file = data_dir() / ENV_FILE
    if "BRUSHWORK_DATABASE_URL" not in os.environ and not env_file.is_file():
        raise ServiceUnreachable(
            f"No service is known here: BRUSHWORK_DATABASE_URL is not set and there is no {env_file}.",
            hint="Start one with: brushwork up. If it keeps its data elsewhere, set BRUSHWORK_DATA to there.",
        )
    return Client()
