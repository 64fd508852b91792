"""The exit statuses of the command."""

from enum import IntEnum

from brushwork_core.fleet.worker_registry import WorkerNameInUse
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import (
    BrushworkError,
    Forbidden,
    JobFailed,
    MissingExtra,
    PluginFailed,
    ServiceMisconfigured,
    ServiceUnreachable,
    WaitTimeout,
)

from brushwork.embedded.data_folder import DataFolderInUse


class ExitStatus(IntEnum):
    """Exit status of a command. The numbers are stable, so that scripts can compare them.

    The services and the commands of operators use two of `sysexits.h`: they tell a supervisor whether another
    start can succeed.
    """

    OK = 0
    JOB_FAILED = 1
    REQUEST_ERROR = 2
    MACHINE_ERROR = 3
    WAIT_TIMEOUT = 4
    SERVICE_AWAY = 75
    MISCONFIGURED = 78
    INTERRUPTED = 130


MEANINGS = {
    ExitStatus.OK: "done",
    ExitStatus.JOB_FAILED: "the job failed, was canceled or expired",
    ExitStatus.REQUEST_ERROR: "the command line or the request is wrong; nothing was written",
    ExitStatus.MACHINE_ERROR: "gateway, Redis, database or store does not answer, or a package is missing",
    ExitStatus.WAIT_TIMEOUT: "the job has not ended in time; it goes on",
    ExitStatus.INTERRUPTED: "interrupted by Ctrl-C; a job that was waited for goes on",
    ExitStatus.SERVICE_AWAY: "(services, and commands of operators) a service is away: start it again later",
    ExitStatus.MISCONFIGURED: "(services, and commands of operators) misconfigured: change something first",
}
# Another start fails in the same way, until an operator changes something.
_MISCONFIGURED = (
    ServiceMisconfigured,
    MissingExtra,
    PluginFailed,
    Forbidden,
    WorkerNameInUse,
    DataFolderInUse,
)


def status_of(error: BrushworkError) -> ExitStatus:
    """Return the exit status for an error that ended a command."""
    if isinstance(error, JobFailed):
        return ExitStatus.JOB_FAILED
    if isinstance(error, WaitTimeout):
        return ExitStatus.WAIT_TIMEOUT
    return ExitStatus.REQUEST_ERROR if error.fault == "caller" else ExitStatus.MACHINE_ERROR


def status_of_operation(error: BrushworkError) -> ExitStatus:
    """Return the exit status for an error that ended a service or a command of operators."""
    if isinstance(error, _MISCONFIGURED):
        return ExitStatus.MISCONFIGURED
    if isinstance(error, ServiceUnreachable):
        return ExitStatus.SERVICE_AWAY
    return ExitStatus.MISCONFIGURED if error.field in Settings.model_fields else status_of(error)


def epilog() -> str:
    """Return the list of exit statuses for `brushwork --help`."""
    return "Exit status: " + "; ".join(f"{status.value} {words}" for status, words in MEANINGS.items()) + "."
