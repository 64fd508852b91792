"""The log of a process, as text or JSON. Each line carries its context, such as the job that it is about.

The context is set once, around the work: `with bound(job=..., attempt=...)`. Every line that is written
inside has these fields, lines of other libraries too. A single line takes `extra={"job": job_id}` instead.
The content of a request is never part of a context.
"""

import atexit
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from textwrap import indent
from typing import Any

from brushwork_schemas.wording.foreign_text import json_visible, visible, visible_lines
from pythonjsonlogger.json import JsonFormatter

from brushwork_core.telemetry.captured_output import CapturedOutput
from brushwork_core.telemetry.line_filter import without_secrets

TEXT = "[%(asctime)s: %(levelname)s] %(message)s"
# httpx logs whole addresses, which may hold secrets of a webhook's receiver; alembic logs SQL.
QUIET = ("httpx", "alembic")
# The most characters of a message, of a value of the context, and of a traceback.
LONGEST_MESSAGE, LONGEST_VALUE, LONGEST_TRACEBACK = 4000, 200, 20_000
# A traceback quotes foreign text with line breaks. Indented, none of its lines looks like another record.
INDENT = "    "
# Libraries whose logger would have a handler of its own.
WITH_HANDLERS = ("diffusers", "transformers")
_captured: CapturedOutput | None = None
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
    """Lines of text. The context stands in parentheses at the end of the line.

    Messages and values are bounded, and their control characters are escaped: they may quote foreign text.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as logging names it
        """Return the line without its traceback."""
        record.message = visible(record.message, LONGEST_MESSAGE)
        line = without_secrets(super().formatMessage(record))
        context = record.__dict__.get("context", {})
        fields = " ".join(f"{name}={visible(str(value), LONGEST_VALUE)}" for name, value in context.items())
        return f"{line} ({fields})" if fields else line

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as logging names it
        """Return the traceback in indented lines."""
        text = without_secrets(super().formatException(ei))
        return indent(visible_lines(text, LONGEST_TRACEBACK), INDENT)

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - as logging names it
        """Return the stack in indented lines."""
        return indent(visible_lines(stack_info, LONGEST_TRACEBACK), INDENT)


class JsonLines(JsonFormatter):
    """One JSON object per line: time, level, logger, message, the context, and `exc_info` for an exception.

    Other attributes of a record are left out, because Celery's records hold the arguments of tasks. Long
    texts are cut. Control characters, and those that turn the direction of writing, are escaped as in JSON.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return json_visible(without_secrets(super().format(record)))

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Fill `log_data`, the object of one line."""
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data |= {
            "level": record.levelname,
            "logger": record.name,
            "message": _cut(record.getMessage(), LONGEST_MESSAGE),
        }
        context = record.__dict__.get("context", {})
        log_data |= {name: _cut(value, LONGEST_VALUE) for name, value in context.items()}
        if "exc_info" in message_dict:
            log_data["exc_info"] = _cut(message_dict["exc_info"], LONGEST_TRACEBACK)


def _cut(value: Any, longest: int) -> Any:
    if not isinstance(value, str) or len(value) <= longest:
        return value
    half = longest // 2
    return f"{value[:half]}… ({len(value):,} characters) …{value[-half:]}"


class _Propagating(logging.Logger):
    """The logger of a library that would write its lines itself, in a form of its own."""

    propagate = property(lambda self: True, lambda self, value: None)

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 - as logging names it
        """Do nothing: its lines go through our log."""


def capture(log_format: str) -> None:
    """Make everything that this process writes from now on a line of the log, if the format is `json`.

    This is not limited to the log: a print, a warning, an uncaught exception and output of C libraries are
    lines, too. Call it as early as possible. Only the first call has an effect.

    Args:
        log_format: `text` or `json`.
    """
    global _captured
    if log_format == "json" and _captured is None:
        _captured = CapturedOutput(lambda: {**_CONTEXT.get()})
        atexit.register(_captured.close)
        # Lines before `set_up`.
        logging.basicConfig(handlers=[_handler("json", None)], force=True)


def is_captured() -> bool:
    """Return whether all output of this process becomes lines of the log."""
    return _captured is not None


def close() -> None:
    """Write the last lines. Call it before an exit that skips Python's own end, such as `os._exit`."""
    logging.shutdown()
    if _captured is not None:
        atexit.unregister(_captured.close)
        _captured.close()


def set_up(log_format: str, *, level: int | str = logging.INFO, file: str | None = None) -> None:
    """Configure the log of this process.

    Args:
        log_format: `text` or `json`.
        level: Lowest level that is written.
        file: Path of the log file; None for standard error.
    """
    handler = _handler(log_format, file)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in WITH_HANDLERS:
        logging.getLogger(name).__class__ = _Propagating


def _handler(log_format: str, file: str | None) -> logging.Handler:
    stream = None if _captured is None else _captured.stream
    handler = logging.FileHandler(Path(file), encoding="utf-8") if file else logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(json_ensure_ascii=False) if log_format == "json" else TextLines(TEXT))
    handler.addFilter(ContextFilter())
    return handler
