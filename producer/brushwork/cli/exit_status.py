"""The exit statuses of the command."""

from enum import IntEnum

from brushwork_schemas.errors import BrushworkError, JobFailed, WaitTimeout


class ExitStatus(IntEnum):
    """Exit status of a command. The numbers are stable, so that scripts can compare them."""

    OK = 0
    JOB_FAILED = 1
    REQUEST_ERROR = 2
    MACHINE_ERROR = 3
    WAIT_TIMEOUT = 4
    INTERRUPTED = 130


MEANINGS = {
    ExitStatus.OK: "done",
    ExitStatus.JOB_FAILED: "the job failed, was canceled or expired",
    ExitStatus.REQUEST_ERROR: "the command line or the request is wrong; nothing was written",
    ExitStatus.MACHINE_ERROR: "gateway, Redis, database or store does not answer, or a package is missing",
    ExitStatus.WAIT_TIMEOUT: "the job has not ended in time; it goes on",
    ExitStatus.INTERRUPTED: "interrupted by Ctrl-C; a job that was waited for goes on",
}


def status_of(error: BrushworkError) -> ExitStatus:
    """Return the exit status for an error that ended a command."""
    if isinstance(error, JobFailed):
        return ExitStatus.JOB_FAILED
    if isinstance(error, WaitTimeout):
        return ExitStatus.WAIT_TIMEOUT
    return ExitStatus.REQUEST_ERROR if error.fault == "caller" else ExitStatus.MACHINE_ERROR


def epilog() -> str:
    """Return the list of exit statuses for `brushwork --help`."""
    return "Exit status: " + "; ".join(f"{status.value} {words}" for status, words in MEANINGS.items()) + "."
