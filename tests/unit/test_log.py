"""The log: each line says which job or request it is about, in text or JSON, and nothing private."""

import json
import logging
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from brushwork_core.telemetry import log
from brushwork_core.telemetry.log import TEXT, ContextFilter, JsonLines, TextLines, bound, learned

LOGGER = logging.getLogger("brushwork_schemas.a_test")


@pytest.fixture
def written() -> Iterator[StringIO]:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(json_ensure_ascii=False))
    handler.addFilter(ContextFilter())
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    yield stream
    LOGGER.removeHandler(handler)


def lines(stream: StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_what_it_is_about(written: StringIO) -> None:
    with bound(job="a", attempt=2, trace=None):
        LOGGER.info("It %s.", "begins")
        with bound(step=1):
            learned(trace="4bf9")
            LOGGER.warning("红色")
        LOGGER.info("It goes on.")
    LOGGER.info("Outside.")
    first, inner, after, outside = lines(written)
    assert (first["level"], first["logger"]) == ("INFO", "brushwork_schemas.a_test")
    assert (first["message"], first["job"], first["attempt"]) == ("It begins.", "a", 2)
    assert str(first["time"]).endswith("+00:00")
    assert "trace" not in first
    assert (inner["job"], inner["step"], inner["trace"], inner["message"]) == ("a", 1, "4bf9", "红色")
    assert "step" not in after
    assert set(outside) == {"time", "level", "logger", "message"}


def test_an_error_is_one_line_with_its_traceback(written: StringIO) -> None:
    with bound(job="a"):
        try:
            raise ValueError("two\nlines")
        except ValueError:
            LOGGER.exception("It failed")
    [line] = lines(written)
    assert line["job"] == "a"
    assert str(line["exc_info"]).startswith("Traceback")


def test_what_a_library_hangs_on_is_left_out(written: StringIO) -> None:
    LOGGER.info("Task received", extra={"data": {"kwargs": "{'prompt': 'a red circle'}"}})
    assert "red" not in written.getvalue()


def test_a_single_line_names_its_job(written: StringIO) -> None:
    LOGGER.warning("It is gone.", extra={"job": "b"})
    with bound(job="a", worker="w"):
        LOGGER.info("It is another's.", extra={"job": "b"})
    alone, inside = lines(written)
    assert alone["job"] == "b"
    assert (inside["job"], inside["worker"]) == ("b", "w")


def test_threads_are_about_different_things(written: StringIO) -> None:
    ready = threading.Barrier(2)

    def work(job: str) -> None:
        with bound(job=job):
            ready.wait(10)
            LOGGER.info(job)

    threads = [threading.Thread(target=work, args=(job,)) for job in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((line["job"], line["message"]) for line in lines(written)) == [("a", "a"), ("b", "b")]


def test_text_has_it_at_the_end_of_the_line() -> None:
    record = LOGGER.makeRecord("x", logging.INFO, "file", 1, "It begins.", (), None)
    with bound(job="a", attempt=1):
        ContextFilter().filter(record)
    assert TextLines(TEXT).format(record).endswith(" INFO] It begins. (job=a attempt=1)")
    ContextFilter().filter(record)
    assert TextLines(TEXT).format(record).endswith("] It begins.")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_process_writes_its_log_where_it_is_told(
    log_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.RootLogger(logging.WARNING)
    monkeypatch.setattr(logging, "root", root)
    file = tmp_path / "log"
    log.set_up(log_format, level="INFO", file=str(file))
    with bound(job="a"):
        root.info("It begins.")
        root.debug("Too much.")
    logging.captureWarnings(False)
    [handler] = root.handlers
    handler.close()
    [line] = file.read_text().splitlines()
    if log_format == "json":
        assert json.loads(line)["job"] == "a"
    else:
        assert line.endswith("INFO] It begins. (job=a)")
