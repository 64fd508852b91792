"""The log of a process, as text or JSON. Each line carries its context, such as the job that it is about.

The context is set once, around the work: `with bound(job=..., attempt=...)`. Every line that is written
inside has these fields, lines of other libraries too. A single line takes `extra={"job": job_id}` instead.
The content of a request is never part of a context.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pythonjsonlogger.json import JsonFormatter

TEXT = "[%(asctime)s: %(levelname)s] %(message)s"
# httpx logs whole addresses, which may hold secrets of a webhook's receiver; alembic logs SQL.
QUIET = ("httpx", "alembic")
_CONTEXT: ContextVar[Mapping[str, object]] = ContextVar("brushwork_log_context", default={})  # noqa: B039


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Add fields to the context of all lines that are written inside. A field that is None is left out."""
    token = _CONTEXT.set({**_CONTEXT.get(), **_known(fields)})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def learned(**fields: object) -> None:
    """Add fields to the context of the innermost `bound`, until its end."""
    _CONTEXT.set({**_CONTEXT.get(), **_known(fields)})


def _known(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


class ContextFilter(logging.Filter):
    """Adds the context to each record. No record is filtered out."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set `record.context`: the fields of `bound`, and `job` where the line names one in `extra`."""
        own = {"job": record.__dict__["job"]} if "job" in record.__dict__ else {}
        record.context = {**_CONTEXT.get(), **own}
        return True


class TextLines(logging.Formatter):
    """Lines of text. The context stands in parentheses at the end of the line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as logging names it
        """Return the line without its traceback."""
        line = super().formatMessage(record)
        fields = " ".join(f"{name}={value}" for name, value in record.__dict__.get("context", {}).items())
        return f"{line} ({fields})" if fields else line


class JsonLines(JsonFormatter):
    """One JSON object per line: time, level, logger, message, the context, and `exc_info` for an exception.

    Other attributes of a record are left out, because Celery's records hold the arguments of tasks.
    """

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Fill `log_data`, the object of one line."""
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data |= {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        log_data |= record.__dict__.get("context", {})
        log_data |= {name: value for name, value in message_dict.items() if name == "exc_info"}


def set_up(log_format: str, *, level: int | str = logging.INFO, file: str | None = None) -> None:
    """Configure the log of this process.

    Args:
        log_format: `text` or `json`.
        level: Lowest level that is written.
        file: Path of the log file; None for standard error.
    """
    handler = logging.FileHandler(Path(file), encoding="utf-8") if file else logging.StreamHandler()
    handler.setFormatter(JsonLines(json_ensure_ascii=False) if log_format == "json" else TextLines(TEXT))
    handler.addFilter(ContextFilter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
