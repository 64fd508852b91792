"""A job and its result in a terminal."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.presentation import Presentation
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.options import Priority
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from rich.table import Table
from rich.text import Text

from brushwork.cli.terminal import DATA
from brushwork.cli.terminal_picture import show_picture
from brushwork.cli.views.explanation import explanation_facts
from brushwork.cli.views.result import files, pictures, result_facts, running_facts
from brushwork.client import Client
from brushwork.inputs import explain_choice, short_forms

STYLES = {
    JobState.QUEUED: "yellow",
    JobState.RUNNING: "cyan",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "red",
    JobState.CANCELED: "magenta",
    JobState.EXPIRED: "magenta",
}


def print_job(client: Client, job: Job) -> None:
    """Print a job, and its pictures if the terminal can show them."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(job):
        table.add_row(Text(name, "dim"), value)
    DATA.print(table)
    for artifact in pictures(job):
        show_picture(artifact.bytes())


def print_outlook(outlook: Outlook | None) -> None:
    """Print the position and the estimated times of a job that has not ended."""
    if outlook is None:
        return
    if outlook.position is not None:
        DATA.print(f"{outlook.position} jobs are ahead of it")
    for word, moment in (("starts", outlook.estimated_start_at), ("ends", outlook.estimated_end_at)):
        if moment is not None:
            DATA.print(Text(f"{word} about ") + _moment(moment))
    if outlook.num_calls:
        DATA.print(f"its explanation takes {outlook.num_calls} calls of the model")
    if not outlook.servable:
        why = (
            "ready workers serve its kind, but none has its model: the job fails when one takes it"
            if outlook.num_workers
            else "no ready worker serves the kind and model of the job"
        )
        DATA.print(Text(why, "yellow"))


def jobs_table(jobs: Sequence[Job]) -> Table:
    """Return a table with one row for each job."""
    table = Table(box=None, header_style="bold")
    for heading in ("id", "kind", "state", "step", "age", "label"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis" if heading == "label" else "fold")
    for job in jobs:
        table.add_row(
            job.id, job.kind, state_text(job.state), _steps(job), _age(job.created_at), Text(job.label)
        )
    return table


def state_text(state: JobState) -> Text:
    """Return a state in its colour."""
    return Text(state.value, STYLES[state])


def save_files(job: Job, folder: Path) -> list[Path]:
    """Write the files of a job's result into a folder, and return their paths.

    Raises:
        InvalidRequest: The folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [artifact.save(folder / f"{job.id}-{name}") for name, artifact in files(job).items()]
    except OSError as error:
        raise InvalidRequest(
            said("save: cannot write to {folder}: {error}.", folder=folder, error=error),
            field="save",
            hint="Choose another folder.",
        ) from error


def _facts(job: Job) -> Iterator[tuple[str, Text]]:
    yield "id", Text(job.id)
    yield "kind", Text(job.kind)
    yield "state", state_text(job.state)
    if steps := _steps(job):
        yield "step", Text(steps)
    for name, value in _request_facts(job):
        yield name, Text(value)
    if job.attempt:
        place = f", on {job.worker}" if job.worker else ""
        yield "attempt", Text(f"{job.attempt} of {job.max_attempts}{place}")
    yield "created", _moment(job.created_at)
    yield from _option_facts(job)
    if not job.is_finished:
        yield from _retry_facts(job)
        yield from ((name, Text(value)) for name, value in running_facts(job))
    if isinstance(job.result, Result):
        timings = job.result.provenance.timings
        spent = (
            f"queued {timings.queued_s:.2f}, loading {timings.loading_s:.2f}, running {timings.running_s:.2f}"
        )
        yield "seconds", Text(spent)
        yield from ((name, Text(value)) for name, value in result_facts(job))
        yield from ((name, Text(value)) for name, value in explanation_facts(job))
        yield from (("warning", Text(each.message, "yellow")) for each in Presentation(job).warnings)
    if job.review is not None:
        yield "review", Text(f"The result waits for a review: {job.review.reason}", "yellow")
    if job.error is not None:
        yield "error", Text(f"{job.error.code}: {job.error.message}", "red")
        if job.error.hint:
            yield "hint", Text(job.error.hint, "yellow")


def _option_facts(job: Job) -> Iterator[tuple[str, Text]]:
    if job.priority is not Priority.NORMAL:
        yield "priority", Text(job.priority)
    if job.tenant:
        yield "tenant", Text(job.tenant)
    if job.deadline_at is not None:
        yield "deadline", _moment(job.deadline_at)
    if job.task_id not in (None, job.id):
        yield "Celery task", Text(job.task_id or "")


def _retry_facts(job: Job) -> Iterator[tuple[str, Text]]:
    if job.last_error is not None:
        yield "last error", Text(f"{job.last_error.code}: {job.last_error.message}", "yellow")
    if job.retry_at is not None:
        yield "next attempt", _moment(job.retry_at)


def _moment(moment: datetime) -> Text:
    return Text(f"{moment:%Y-%m-%d %H:%M:%S} UTC")


def _request_facts(job: Job) -> Iterator[tuple[str, str]]:
    for name, value in Presentation(job).request.items():
        if name != "version" and value not in (None, "", (), []):
            yield name, _written(name, value)


def _written(name: str, value: object) -> str:
    if name == explain_choice.EXPLAIN:
        return explain_choice.written(value)
    short = short_forms.written(name, value) if name in short_forms.FORMS else ""
    return short or str(value)


def _steps(job: Job) -> str:
    return f"{job.progress.step}/{job.progress.total}" if job.progress.total else ""


def _age(moment: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
