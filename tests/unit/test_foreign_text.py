"""Foreign text in logs, errors and terminals is bounded and cannot act."""

import io
import json
import logging
from typing import Any

import pytest
from brushwork.cli import terminal
from brushwork.cli.safe_console import SafeConsole
from brushwork.cli.terminal import print_error, print_json
from brushwork.cli.views.job import jobs_table, print_job
from brushwork.testing import FakeClient
from brushwork.webhooks.answer import DeliveryAnswer
from brushwork_core.telemetry.log import TEXT, ContextFilter, JsonLines, TextLines, bound
from brushwork_schemas.errors import InvalidRequest, ModelUnavailable, ServiceUnreachable
from brushwork_schemas.job import JobError
from brushwork_schemas.wording.foreign_text import json_visible, visible, visible_phrase
from brushwork_schemas.wording.phrase import Phrase, said
from rich.table import Table
from rich.text import Text

ACTING = {
    "window title": "\x1b]0;owned\x07",
    "clear screen": "\x1b[2J\x1b[H",
    "one character control": "\x9b31m",
    "right-to-left override": "safe\u202egnp.exe",
    "isolate": "\u2066x\u2069",
    "line break": "a\n[2026-01-01: ERROR] forged",
    "carriage return": "failed\rsucceeded",
    "line separator": "a\u2028b",
    "next line": "a\u0085b",
    "zero width": "pay\u200bpal",
    "byte order mark": "\ufeffx",
    "tags": "x\U000e0041",
    "backspace": "ab\x08\x08",
    "null": "a\x00b",
    "half a character": "a\ud800b",
}
HARMLESS = (
    "一只红色的圆形",
    "a\u3000b",
    "naïve",
    "👩‍🔬",
    "نص",
    "שלום",
    "[bold]x[/bold]",
    "می‌خواهم",
    "é\u0301",
)
LONG = "x" * 440_000


def acts(text: str) -> bool:
    """Whether a character of the text could act on a terminal or on the direction of writing."""
    return any(
        ord(character) < 32
        or 0x7F <= ord(character) < 0xA0
        or character in "\u2028\u2029\u202e\u2066\u2069\u200b\ufeff\U000e0041\ud800"
        for character in text
    )


@pytest.fixture
def record() -> Any:
    def record(message: str, *given: Any, level: int = logging.WARNING, exc_info: Any = None) -> Any:
        made = logging.LogRecord("x", level, "x.py", 1, message, given, exc_info)
        ContextFilter().filter(made)
        return made

    return record


@pytest.mark.parametrize("name", ACTING)
def test_what_acts_is_escaped(name: str) -> None:
    shown = visible(ACTING[name])
    assert not acts(shown)
    assert "\\" in shown
    # Nothing is lost: the escapes are those of Python.
    assert "".join(shown.split("\\")) != ACTING[name]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_stays(text: str) -> None:
    assert visible(text) == text


def test_a_long_text_is_cut_and_tells_its_length() -> None:
    assert visible(LONG, 50) == "x" * 50 + "… (440,000 characters)"


@pytest.mark.parametrize("name", ACTING)
def test_a_line_of_the_log_is_one_line(record: Any, name: str) -> None:
    with bound(job=ACTING[name], file=LONG):
        line = TextLines(TEXT).format(record("Job %s failed", ACTING[name]))
    assert not acts(line)
    assert len(line) < 1000


def test_a_long_message_of_the_log_is_cut_in_both_formats(record: Any) -> None:
    for formatter in (TextLines(TEXT), JsonLines(json_ensure_ascii=False)):
        assert len(formatter.format(record("It failed: %s", LONG))) < 5000


@pytest.mark.parametrize("name", ACTING)
def test_a_line_of_json_is_exact_and_cannot_act(record: Any, name: str) -> None:
    line = JsonLines(json_ensure_ascii=False).format(record("It failed: %s", ACTING[name]))
    assert not acts(line)
    assert json.loads(line)["message"] == f"It failed: {ACTING[name]}"


def test_no_line_of_a_traceback_looks_like_another_record(record: Any) -> None:
    try:
        raise ValueError(f"x\n[2026-01-01: ERROR] forged \x1b[2J {LONG}")
    except ValueError as error:
        made = record("It failed", exc_info=(type(error), error, error.__traceback__))
    first, *others = TextLines(TEXT).format(made).split("\n")
    assert first.endswith("It failed")
    assert all(line.startswith("    ") and not acts(line) for line in others)
    assert sum(map(len, others)) < 30_000
    assert any("ValueError" in line for line in others)


@pytest.mark.parametrize("name", ACTING)
def test_the_texts_of_an_error_cannot_act(name: str) -> None:
    error = InvalidRequest(f"prompt: {ACTING[name]}", field=ACTING[name], hint=ACTING[name])
    stored = JobError.of(error)
    for text in (str(error), *error.args, stored.message, str(stored.field), str(stored.hint)):
        assert not acts(text)


@pytest.mark.parametrize("made", [InvalidRequest, ServiceUnreachable, ModelUnavailable])
def test_the_texts_of_an_error_are_bounded(made: Any) -> None:
    error = made(LONG, field=LONG, hint=LONG)
    assert len(str(error)) < 4100
    assert len(error.field) < 250


def test_a_translatable_text_stays_one() -> None:
    given = said("{field}: {value} is wrong.", field="x", value=f"a\x1b{LONG}")
    shown = visible_phrase(given)
    assert isinstance(shown, Phrase)
    assert (shown.template, shown.parameters["field"]) == ("{field}: {value} is wrong.", "x")
    assert not acts(shown + shown.parameters["value"])
    assert len(shown.parameters["value"]) < 2100
    untouched = said("{field} is wrong.", field="x")
    assert visible_phrase(untouched) is untouched


def test_the_error_of_a_webhook_is_bounded() -> None:
    answer = DeliveryAnswer(error=f"Cannot connect to the receiver: {LONG}\x1b[2J")
    assert answer.error is not None
    assert len(answer.error) < 600


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> SafeConsole:
    made = SafeConsole(width=120, file=io.StringIO(), force_terminal=True, color_system=None)
    for module in ("brushwork.cli.terminal", "brushwork.cli.views.job"):
        monkeypatch.setattr(f"{module}.DATA", made)
    monkeypatch.setattr(terminal, "NEWS", made)
    return made


def printed(console: SafeConsole) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("name", ACTING)
@pytest.mark.parametrize("form", ["text", "styled", "str", "cell", "heading"])
def test_no_text_acts_on_a_terminal(console: SafeConsole, form: str, name: str) -> None:
    table = Table(ACTING[name] if form == "heading" else "x", box=None)
    table.add_row(ACTING[name])
    shown = {
        "text": Text(ACTING[name]),
        "styled": Text.assemble(("x", "bold"), (ACTING[name], "red")),
        "str": ACTING[name],
        "cell": table,
        "heading": table,
    }[form]
    console.print(shown)
    assert not acts(printed(console).replace("\n", ""))
    assert form in ("cell", "heading") or printed(console).count("\n") == 1


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_texts_are_printed_as_they_are(console: SafeConsole, text: str) -> None:
    console.print(text)
    assert printed(console) == f"{text}\n"


def test_styles_stay(console: SafeConsole) -> None:
    coloured = SafeConsole(file=io.StringIO(), force_terminal=True, color_system="standard", width=100)
    coloured.print(Text.assemble(("Error: ", "red"), "a\x1bb"))
    assert printed(coloured) == "\x1b[31mError: \x1b[0ma\\x1bb\n"


@pytest.mark.parametrize("name", [name for name in ACTING if name != "half a character"])
def test_show_and_jobs_print_no_escape_codes(console: SafeConsole, name: str) -> None:
    client = FakeClient()
    job = client.submit("text-to-image", prompt=f"a star {ACTING[name].replace(chr(0), '')}", seed=1)
    named = job.model_copy(update={"label": ACTING[name], "worker": ACTING[name], "attempt": 1})
    failed = JobError.model_construct(
        code="internal", message=ACTING[name], fault="machine", field=None, hint=None
    )
    print_job(client, named.model_copy(update={"error": failed, "id": ACTING[name]}))
    console.print(jobs_table([named]))
    print_error(InvalidRequest(ACTING[name]))
    assert not acts(printed(console).replace("\n", ""))


def test_json_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    given = {name: text for name, text in ACTING.items() if name != "half a character"}
    print_json(given)
    out = capsys.readouterr().out
    assert json.loads(out) == given
    assert not acts(out.replace("\n", ""))


def test_json_keeps_characters_beyond_the_first_plane() -> None:
    for text in ("\U000e0041", "👩‍🔬", "\u202e", "\x7f"):
        assert json.loads(json_visible(json.dumps(text, ensure_ascii=False))) == text
