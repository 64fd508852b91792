"""The output of commands that run for long or from a timer: lines of the log, if the log is to be JSON."""

import logging
import os
from collections.abc import Sequence

from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry import log
from brushwork_schemas.errors import BrushworkError

LOGGER = logging.getLogger(__name__)
# Commands whose output is read by a log collector. That of the others is read by whoever has typed them.
SERVICES = (("worker",), ("gateway",), ("webhooks", "send"), ("up",), ("migrate",), ("prune",))


def begin(arguments: Sequence[str]) -> bool:
    """Turn all output of this process into lines of the log, if it is a service and JSON was asked for.

    Args:
        arguments: The command line. With `--json` or `--help`, the output is for whoever asked for it.

    Returns:
        Whether the output is turned into lines.
    """
    words = tuple(arguments)
    is_service = any(words[: len(service)] == service for service in SERVICES)
    if not is_service or {"--json", "--help"} & set(words) or _log_format() != "json":
        return False
    log.capture("json")
    log.set_up("json")
    return True


def report(error: Exception) -> None:
    """Write the error that ends the command as one line."""
    LOGGER.critical("%s", error)


def _log_format() -> str:
    try:
        return Settings.load().log_format
    except BrushworkError:
        # The command itself says what is wrong with a setting, in the right form.
        return os.environ.get("BRUSHWORK_LOG_FORMAT", "text")
