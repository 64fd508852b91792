"""The docs agree with the code: kinds, states, settings, error codes, metrics, log messages, commands."""

import ast
import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from enum import Enum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import pytest
from brushwork.cli.application import app
from brushwork.gateway.problems import status_of
from brushwork_core.database.database import Database
from brushwork_core.ledger import (
    STALLED,
    WORKER_LOST,
    CeleryMessage,
    ClaimOrder,
    Completion,
    HoldReason,
    Ledger,
)
from brushwork_core.ledger.claim_order import ClaimedFor
from brushwork_core.ledger.held_results import HeldResults
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from brushwork_schemas import errors, states
from brushwork_schemas.errors import BrushworkError, store
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.states import JobState
from prometheus_client.registry import Collector, CollectorRegistry
from typer.main import get_command

from tests.jobs import ERROR, KIND, claimed, lose, mark_sent, new_job, overdue, result_of

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh.md")
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
    if page.name != "CHANGELOG.md"
)
BUILT_IN = {
    name: kind
    for name, kind in all_kinds().items()
    if kind.request_type.__module__.startswith("brushwork_schemas.")
}

BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@cache
def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def rows(page: str, first_heading: str) -> list[list[str]]:
    """The cells of the rows of the table whose first heading this is."""
    head = rf"^\| {re.escape(first_heading)} \|.*\n\|[-|]+\n"
    table = re.search(rf"{head}((?:\|.*\n)+)", text_of(page), re.MULTILINE)
    assert table is not None, f"{page} has no table {first_heading}"
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]


def in_code(text: str) -> list[str]:
    """What stands between backticks, outside of code blocks."""
    return re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))


# Kinds


@pytest.mark.parametrize("page", READMES)
def test_a_readme_names_every_kind(page: str) -> None:
    listed = re.findall(r"^- \*\*.+?(?=^- )", text_of(page), re.MULTILINE | re.DOTALL)[0]
    assert set(in_code(listed)) == set(BUILT_IN)


def test_the_table_of_kinds_has_every_kind_with_its_fields() -> None:
    table = {
        in_code(kind)[0]: (in_code(needed), in_code(given))
        for kind, needed, given in rows("docs/http.md", "kind")
    }
    assert {name: needed for name, (needed, _) in table.items()} == {
        name: _required(kind) for name, kind in BUILT_IN.items()
    }
    for name, (_, given) in table.items():
        assert set(given) <= set(BUILT_IN[name].result_type.model_fields)


def _required(kind: Kind) -> list[str]:
    return [name for name, field in kind.request_type.model_fields.items() if field.is_required()]


# States and the transitions of the ledger

START = "[*]"
ARROW = re.compile(r"^ +(\S+) --> (\w+): (.+)$", re.MULTILINE)
# Methods of the ledger that move no job to another state, and `withdraw`: `cancel` with another answer.
NO_MOVES = {
    # It makes the move of claim_next, for fewer tenants.
    "claim_below_share",
    *("perform", "rest", "renew", "withdraw"),
    *("has_backlog", "kinds_with_work", "wake_ups", "forget_messages"),
}


def transitions() -> Iterator[tuple[str, str, str, str]]:
    """The state before, the state after, the method, and the condition of each arrow of the diagram."""
    for before, after, label in ARROW.findall(text_of("docs/architecture.md")):
        for method, condition in re.findall(r"(\w+)(?: \(([^)]+)\))?(?:, |$)", label):
            shared = label.rpartition("(")[2].strip(")") if "(each" in label else ""
            yield before, after, method, condition or shared


def test_the_diagram_has_every_state_and_every_move_of_the_ledger() -> None:
    found = list(transitions())
    assert {after for _, after, _, _ in found} == set(JobState)
    open_states = {state for state in JobState if not state.is_terminal}
    # A reviewer is the only one who changes the state of a job that has ended.
    assert {before for before, *_ in found} == {START, *open_states, JobState.SUCCEEDED}
    methods = {name for name, _ in inspect.getmembers(Ledger, inspect.isfunction) if not name.startswith("_")}
    assert {method for _, _, method, _ in found} == methods - NO_MOVES


def test_the_module_of_the_states_has_the_same_diagram() -> None:
    assert ARROW.findall(states.__doc__ or "") == ARROW.findall(text_of("docs/architecture.md"))


@pytest.mark.parametrize(("before", "after", "method", "condition"), list(transitions()))
def test_the_ledger_makes_the_moves_of_the_diagram(
    sqlite_url: str, before: str, after: str, method: str, condition: str
) -> None:
    database = Database(sqlite_url)
    try:
        assert _moved(database, before, method, condition) == after
    finally:
        database.close()


def _moved(database: Database, before: str, method: str, condition: str) -> str:
    """Bring a job to a state under a condition, call the method, and return the state after it."""
    ledger, index, fence = Ledger(database, lease_s=600), JobIndex(database), 0
    order = ClaimOrder([KIND])
    celery = CeleryMessage("a") if "bare message" in condition else None
    new = new_job("a", max_attempts=1 if condition == "attempts used up" else 3, celery=celery)
    if before != START:
        ledger.submit([new])
    if before in (JobState.RUNNING, JobState.SUCCEEDED):
        fence = claimed(ledger, "a").fence
    if condition == "a reviewer refuses a held result":
        ledger.complete_many([Completion("a", fence, result_of(1), hold=HoldReason("p", "no"))])
        HeldResults(database).refuse("a", "")
        return index.get("a").state
    if before != START:
        assert index.get("a").state == before
    if "cancel request" in condition:
        ledger.cancel("a")
    if condition == "another tenant runs more":
        ledger.submit([new_job(name, tenant="other") for name in "bc"])
        claimed(ledger, "b")
        claimed(ledger, "c")
        order.note([ClaimedFor(KIND, "other", 1)])
    if condition == "message of an older program":
        mark_sent(database, "a")
    if condition == "deadline passed":
        overdue(database, "a")
    if method == "reap":
        lose(database, "a")
    arguments: dict[str, tuple[object, ...]] = {
        "submit": ([new],),
        "refuse": (new, ERROR),
        "submit_ended": (new, JobState.EXPIRED if "expired" in condition else JobState.CANCELED),
        "revoke": ("a",),
        "claim": ("a", "w"),
        "claim_next": (ClaimOrder([KIND]), "w", 9),
        "claim_below_share": (order, "w", 9),
        "claim_sent": (["a"], "w"),
        "complete_many": ([Completion("a", fence, result_of(1))],),
        "cancel": ("a",),
        "complete": ("a", fence, result_of(1)),
        "fail": ("a", fence, ERROR),
        "reap": (),
        "expire_queued": (),
    }
    given = {"retry": {"after_s": 0.0}, "revoke": {"terminate": False}}.get(method, {})
    error = (ERROR,) if method == "retry" else ()
    getattr(ledger, method)(*arguments.get(method, ("a", fence, *error)), **given)
    return index.get("a").state


# Settings

# Variables that are read without `Settings`, or are only written.
OTHER_VARIABLES = {
    "BRUSHWORK_DATA",
    "BRUSHWORK_MODEL_FILES",
    "BRUSHWORK_CACHE_FILES",
    "BRUSHWORK_GATEWAY_URL",
}
UNITS = {"": 1, "Mi": 2**20, "Gi": 2**30}


@pytest.mark.parametrize(("page", "heading"), list(zip(READMES, ("variable", "变量"), strict=True)))
def test_the_table_of_settings_is_the_settings(page: str, heading: str) -> None:
    table = [(in_code(names), default) for names, default, _ in rows(page, heading)]
    listed = [name for names, _ in table for name in names]
    assert len(listed) == len(set(listed))
    assert set(listed) == {
        *(f"BRUSHWORK_{field.upper()}" for field in Settings.model_fields),
        *OTHER_VARIABLES - {"BRUSHWORK_GATEWAY_URL"},
    }
    for names, told in table:
        defaults = [_default(name) for name in names]
        if isinstance(defaults[0], bool):
            assert told == f"`{str(defaults[0]).lower()}`", names
        elif isinstance(defaults[0], int | float):
            assert _numbers(told) == defaults, names


def _default(variable: str) -> object:
    field = Settings.model_fields.get(variable.removeprefix("BRUSHWORK_").lower())
    return None if field is None else field.default


def _numbers(told: str) -> list[float]:
    return [float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)(?: (Mi|Gi))?", told)]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_no_unknown_variable(page: str) -> None:
    known = {f"BRUSHWORK_{field.upper()}" for field in Settings.model_fields} | OTHER_VARIABLES
    assert set(re.findall(r"BRUSHWORK_[A-Z_]+", text_of(page))) <= known


# Error codes

ERRORS = {
    each.code: each
    for module in (errors, store)
    for _, each in inspect.getmembers(module, inspect.isclass)
    if issubclass(each, BrushworkError) and "code" in vars(each)
}
# Classes that others are derived from, and the signal with which a handler leaves a job.
NEVER_SHOWN = {"postponed", "machine_error", "stopped"}


def test_every_error_code_is_documented() -> None:
    pages = ("http", "operations", "keys", "webhooks")
    told = {code for page in pages for code in in_code(text_of(f"docs/{page}.md"))}
    assert set(ERRORS) - NEVER_SHOWN <= told


def test_the_http_table_has_known_codes_and_their_statuses() -> None:
    for status, codes, _ in rows("docs/http.md", "status"):
        statuses = {code: status_of(ERRORS[code]("")) for code in in_code(codes)}
        assert statuses == dict.fromkeys(in_code(codes), int(status))


def test_the_table_of_failed_jobs_has_known_codes_and_their_faults() -> None:
    stored = {error.code: error.fault for error in (WORKER_LOST, STALLED)}
    faults = {**{code: each.fault for code, each in ERRORS.items()}, **stored}
    for codes, fault, _ in rows("docs/operations.md", "code"):
        assert {code: faults.get(code) for code in in_code(codes)} == dict.fromkeys(in_code(codes), fault)


# Metrics and log messages


def test_the_metrics_are_those_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    told = re.findall(r"^\| `(brushwork_\w+)` \|", text_of("docs/metrics.md"), re.MULTILINE)
    assert len(told) == len(set(told))
    assert set(told) == {name for module in _metric_modules() for name in _metrics_of(module, monkeypatch)}


def _sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (ROOT / folder).rglob("*.py")


def _metric_modules() -> Iterator[ModuleType]:
    for file in _sources("core", "producer", "workers"):
        if re.search(r"^from prometheus_client", file.read_text("utf-8"), re.MULTILINE):
            yield importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts[1:]))


def _metrics_of(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Names of all metrics that the classes of a module report."""
    for _, found in inspect.getmembers(module, inspect.isclass):
        if found.__module__ != module.__name__ or issubclass(found, Enum):
            continue
        needed = [
            name
            for name, parameter in list(inspect.signature(found.__init__).parameters.items())[1:]
            if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ]
        if Collector in found.__mro__:
            families = list(_collector(found, len(needed), monkeypatch).collect())
        elif needed == ["registry"]:
            registry = CollectorRegistry()
            found(registry)
            families = list(registry.collect())
        elif not needed and hasattr(made := found(), "registry"):
            families = list(made.registry.collect())
        else:
            continue
        for family in families:
            if family.name.startswith("brushwork_"):
                yield f"{family.name}_total" if family.type == "counter" else family.name


def _collector(found: type[Collector], num_arguments: int, monkeypatch: pytest.MonkeyPatch) -> Collector:
    """A collector of stand-ins: it reports all its families, with or without samples, as on a GPU."""
    from tests.stand_in_accelerator import StandInAccelerator

    StandInAccelerator("cuda").install(monkeypatch)
    argument = MagicMock()
    argument.type = "cuda"
    return found(*[argument] * num_arguments)


def test_the_log_messages_for_operators_are_in_the_code() -> None:
    literals = {
        node.value
        for file in _sources("core", "workers")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    plain = [re.sub(r"%[-.\d]*[sdrf]", "\0", literal) for literal in literals]
    for message, *_ in rows("docs/operations.md", "message"):
        fixed = re.split(r"\b(?:ID|KIND|NAME|[NX])\b|\.\.\.", message.strip("`"))
        parts = [re.escape(part.strip()) for part in fixed if part.strip()]
        pattern = re.compile(".*\0.*".join(parts), re.DOTALL)
        assert any(pattern.search(literal) for literal in plain), message


# Commands and links


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_commands_that_exist(page: str) -> None:
    for command in _commands(text_of(page)):
        words = shlex.split(command, comments=True)
        known = get_command(app)
        while hasattr(known, "get_command") and len(words) > 1 and not words[1].startswith("-"):
            known = known.get_command(MagicMock(), words.pop(1))
            assert known is not None, command
        options = {name for each in known.params for name in (*each.opts, *each.secondary_opts)}
        used = {word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)}
        assert used <= {*options, "--help", "--install-completion"}, command


def _commands(text: str) -> Iterator[str]:
    """Calls of `brushwork` in blocks and in inline code."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if language in ("", "sh"):
            yield from re.findall(r"(?:^|\$\()(brushwork [^)\n|]+)", block, re.MULTILINE)
    yield from re.findall(r"^ {4}(?:[A-Z]+=\$\()?(brushwork [^)\n|]+)", text, re.MULTILINE)
    yield from (code for code in in_code(text) if re.match(r"brushwork [a-z]", code))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_modules_and_targets_that_exist(page: str) -> None:
    text = text_of(page)
    modules = set(re.findall(r"python -m ((?:tests|benchmarks|recipes|brushwork)[\w.]*)", text))
    assert [module for module in sorted(modules) if find_spec(module) is None] == []
    targets = {word for code in in_code(text) for word in re.findall(r"^make ([a-z]+)", code)}
    rules = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert targets <= set(rules)


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    text = BLOCK.sub("", text_of(page))
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)]+))?\)", text):
        file = folder / target if target else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in _anchors(file.read_text("utf-8")), anchor


def _anchors(text: str) -> set[str]:
    """Anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
