"""The log of our own processes: text or JSON, each line with the job or request that it is about.

What a line is about is said once, around the work: `with about(job=..., attempt=...)`; every logger inside,
other libraries' too, then says so. Nothing of a request's content is ever among it.
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
# They print whole addresses, which may hold what only a receiver should know; and SQL.
QUIET = ("httpx", "alembic")
_ABOUT: ContextVar[Mapping[str, object]] = ContextVar("brushwork_log_about", default={})  # noqa: B039


@contextmanager
def bound(**facts: object) -> Iterator[None]:
    """Have each line inside say what it is about; what is None is left out."""
    token = _ABOUT.set({**_ABOUT.get(), **_known(facts)})
    try:
        yield
    finally:
        _ABOUT.reset(token)


def learned(**facts: object) -> None:
    """Add to what the lines of the innermost `about` say."""
    _ABOUT.set({**_ABOUT.get(), **_known(facts)})


def _known(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: fact for name, fact in facts.items() if fact is not None}


class ContextFilter(logging.Filter):
    """Gives each record what its line is about; lets all through."""

    def filter(self, record: logging.LogRecord) -> bool:
        """As `logging.Filter`."""
        record.about = _ABOUT.get()
        return True


class TextLines(logging.Formatter):
    """A line to read: what it is about stands in parentheses at its end."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as logging names it
        """As `logging.Formatter`."""
        line = super().formatMessage(record)
        facts = " ".join(f"{name}={fact}" for name, fact in record.__dict__.get("about", {}).items())
        return f"{line} ({facts})" if facts else line


class JsonLines(JsonFormatter):
    """One JSON object a line: time, level, logger, message, what it is about, and exc_info if there is one.

    What libraries hang onto a record besides is left out, for Celery hangs on the arguments of its tasks.
    """

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """As `JsonFormatter`."""
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data |= {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        log_data |= record.__dict__.get("about", {})
        log_data |= {name: value for name, value in message_dict.items() if name == "exc_info"}


def set_up(log_format: str, *, level: int | str = logging.INFO, file: str | None = None) -> None:
    """Write this process's log, to standard error or to a file.

    Args:
        log_format: text or json.
        level: What is less than that is left out.
        file: Where to.
    """
    handler = logging.FileHandler(Path(file), encoding="utf-8") if file else logging.StreamHandler()
    handler.setFormatter(JsonLines(json_ensure_ascii=False) if log_format == "json" else TextLines(TEXT))
    handler.addFilter(ContextFilter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
