"""Kinds of a plug-in whose functions raise exceptions: the error names the plug-in at every entry point."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.plugin_folders import run_with, write_distribution

# Each kind has one broken function.
KINDS = """
import sys
from dataclasses import replace
from brushwork_schemas.families.family import Family
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.kinds.result import Result
from pydantic import field_validator

def boom(*given):
    raise RuntimeError("secret words")

def leave(*given):
    sys.exit("secret words")

class R(Request):
    amount: int = 1

class Invalid(R):
    @field_validator("amount")
    @classmethod
    def _checked(cls, amount):
        return 1 / (amount - 2)

class Unsummed(R):
    @property
    def summary(self):
        raise KeyError("secret words")

def kind(name, request_type=R, **functions):
    return Kind(
        name=name, request_type=request_type, result_type=Result, title={"en": name}, action={"en": name},
        example={"amount": 1}, sample=lambda job, picture: {}, **functions,
    )

KINDS = (
    kind("checks", checks=(boom,)),
    kind("exits", checks=(leave,)),
    kind("completes", complete=boom),
    kind("returns-none", complete=lambda *given: None),
    kind("draws", draws_seed=boom),
    kind("validates", request_type=Invalid),
    kind("sums", request_type=Unsummed),
)
FAMILY = Family(
    name="failing", library="failing", kinds=tuple(kind.name for kind in KINDS), loader="nowhere:load"
)
from pathlib import Path
CATALOGUE = Path(__file__).with_name("failing.toml")
"""
CALLS = """
import contextlib, io, json, logging, os, sys
from brushwork import Client
from brushwork.cli import main
from brushwork.gateway.application import create_app
from brushwork.page.pages import PAGE
from brushwork.testing import FakeClient
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError
from brushwork_schemas.kinds.registry import all_kinds
from starlette.testclient import TestClient

database = Database(sys.argv[1])
database.migrate()
database.close()
os.environ |= {
    "BRUSHWORK_DATABASE_URL": sys.argv[1], "BRUSHWORK_ARTIFACTS_URL": sys.argv[2],
    "BRUSHWORK_REDIS_URL": "redis://127.0.0.1:1/0",
}
tracebacks = []
class Kept(logging.Handler):
    def emit(self, record):
        tracebacks.append(bool(record.exc_info) and record.getMessage())
logging.getLogger("brushwork_schemas.admission").addHandler(Kept())

def refused(client, kind):
    try:
        client.submit(kind, amount=2)
    except BrushworkError as error:
        return [type(error).__name__, error.code, error.fault, str(error), len(tracebacks)]

def command(kind):
    words = io.StringIO()
    with contextlib.redirect_stderr(words):
        from brushwork.cli import terminal
        terminal.NEWS.file = words
        try:
            main(["submit", kind, "amount=2"])
        except SystemExit as end:
            return [end.code, words.getvalue(), len(tracebacks)]

settings, found = Settings.load(), {}
with TestClient(create_app(settings, PAGE), base_url="http://127.0.0.1") as http, Client() as client:
    for name in [name for name, kind in all_kinds().items() if kind.order == 1000]:
        answer = http.post("/v1/jobs", json={"kind": name, "amount": 2})
        made = [answer.status_code, answer.json(), len(tracebacks)]
        page = http.post("/jobs", data={"kind": name, "amount": "2"}, follow_redirects=False)
        shown = [page.status_code, page.text, len(tracebacks)]
        found[name] = {
            "http": made, "page": shown, "client": refused(client, name), "fake": refused(FakeClient(), name),
            "command": command(name),
        }
    found["star"] = http.post("/v1/jobs", json={"kind": "text-to-image", "prompt": "a star"}).status_code
found["log"] = tracebacks
print(json.dumps(found))
"""
BROKEN = {
    "checks": "RuntimeError",
    "exits": "SystemExit",
    "completes": "RuntimeError",
    "returns-none": "TypeError",
    "draws": "RuntimeError",
    "validates": "ZeroDivisionError",
    "sums": "KeyError",
}


def write_failing(folder: Path, module: str) -> None:
    """Write the distribution `failing` with its kinds, family and catalogue."""
    write_distribution(
        folder,
        "failing",
        module,
        kinds="failing = failing_module:KINDS",
        families="failing = failing_module:FAMILY",
        catalogues="failing = failing_module:CATALOGUE",
    )
    entry = '[models.failing]\nfamily = "failing"\nsource = { architecture = "x" }\n'
    (folder / "failing.toml").write_text(entry)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("failing")
    write_failing(folder, KINDS)
    given = (f"sqlite:///{folder}/ledger.sqlite3", str(folder / "artifacts"))
    found: dict[str, Any] = json.loads(run_with(folder, CALLS, *given))
    return found


@pytest.mark.parametrize("kind", BROKEN)
def test_the_error_names_the_plugin_at_every_entry_point(answers: dict[str, Any], kind: str) -> None:
    found = answers[kind]
    status, problem, _ = found["http"]
    assert (status, problem["code"], problem["fault"]) == (500, "plugin_failed", "operator")
    assert "unexpected" not in problem["detail"]
    page_status, page, _ = found["page"]
    assert page_status == 500
    command_status, printed, _ = found["command"]
    assert command_status == 3
    for text in (problem["detail"], page, found["client"][3], found["fake"][3], " ".join(printed.split())):
        assert f"the kind {kind}" in text
        assert BROKEN[kind] in text
        assert "distribution failing" in text
        assert "secret" not in text
    for client in ("client", "fake"):
        assert found[client][:3] == ["PluginFailed", "plugin_failed", "operator"]


def test_each_failure_is_logged_with_its_traceback(answers: dict[str, Any]) -> None:
    counts = [answers[kind][door][-1] for kind in BROKEN for door in ("http", "page", "client", "fake")]
    # One line for each call, and one more for each call of the command line.
    assert len(set(counts)) == len(counts)
    assert len(answers["log"]) == 5 * len(BROKEN)
    assert all(f"{line}".find("(distribution failing) failed") > 0 for line in answers["log"])


def test_other_kinds_are_served(answers: dict[str, Any]) -> None:
    assert answers["star"] == 201


def test_a_check_that_refuses_is_the_callers_fault(tmp_path: Path) -> None:
    check = (
        "\nfrom brushwork_schemas.errors import InvalidRequest\n"
        "def refuse(*given):\n    raise InvalidRequest('amount: too odd.', field='amount')\n"
        "KINDS = (kind('refuses', checks=(refuse,)),)\n"
        "FAMILY = replace(FAMILY, kinds=('refuses',))\n"
    )
    write_failing(tmp_path, KINDS + check)
    code = (
        "from brushwork.testing import FakeClient\n"
        "try:\n    FakeClient().submit('refuses')\n"
        "except Exception as error:\n    print(error.code, error.fault, error.field)"
    )
    assert run_with(tmp_path, code) == "invalid_request caller amount\n"
