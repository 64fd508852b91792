"""What the README shows is run, as a reader would run it, against a running stack."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from brushwork.cli.exit_status import MEANINGS
from brushwork.gateway.problems import STATUS
from brushwork_core.settings.settings import Settings
from brushwork_schemas import errors

from tests.integration.embedded import Up

TOP = Path(__file__).parents[2]
READMES = ("README.md", "README.zh.md")
# Where documents say the gateway is, and who fetches by HTTP there.
GATEWAY, HTTP_TOOLS = "http://127.0.0.1:8600", ("curl", "jq")
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^<!-- run -->\n```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
RUN_S = 120
# Of what no route offers, or only a base of others.
NEVER_BY_HTTP = (errors.EventNotFound, errors.KeyNotFound, errors.RequestError)


def blocks(pattern: re.Pattern[str]) -> list[pytest.param]:  # type: ignore[valid-type]
    return [
        pytest.param(code, id=f"{name}-{number}")
        for name in (*READMES, "docs/http.md", "docs/proxy.md")
        for number, code in enumerate(_found(pattern, name))
    ]


def _found(pattern: re.Pattern[str], name: str) -> list[str]:
    codes = pattern.findall((TOP / name).read_text("utf-8"))
    # A guide's commands build on those before them; those of a README stand alone.
    return codes if name in READMES or pattern is PYTHON else ["".join(codes)]


@pytest.fixture
def environment(running_up: Up) -> dict[str, str]:
    """The environment of a reader who has sourced `brushwork.env`, and has `brushwork` on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **running_up.addresses(), "PATH": path}


@pytest.mark.parametrize("code", blocks(PYTHON))
def test_python_runs(code: str, environment: dict[str, str], tmp_path: Path) -> None:
    code = code.replace(GATEWAY, environment["BRUSHWORK_GATEWAY_URL"])
    run([sys.executable, "-W", "error", "-c", code], environment, tmp_path)


@pytest.mark.parametrize("code", blocks(SHELL))
def test_shell_runs(code: str, environment: dict[str, str], tmp_path: Path) -> None:
    missing = [tool for tool in HTTP_TOOLS if tool in code and shutil.which(tool) is None]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"{', '.join(missing)}: not here")
    code = code.replace(GATEWAY, environment["BRUSHWORK_GATEWAY_URL"])
    run(["/bin/bash", "-euo", "pipefail", "-c", code], environment, tmp_path)
    assert "pictures/" not in code or list((tmp_path / "pictures").glob("*.png"))


@pytest.mark.parametrize("name", READMES)
def test_every_setting_and_exit_status_is_listed(name: str) -> None:
    text = (TOP / name).read_text("utf-8")
    missing = [field for field in Settings.model_fields if f"`BRUSHWORK_{field.upper()}`" not in text]
    assert missing == []
    assert all(f"\n| {status.value} |" in text for status in MEANINGS)


@pytest.mark.parametrize("name", [*READMES, "docs/http.md", "docs/keys.md"])
def test_links_lead_somewhere(name: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (TOP / name).read_text("utf-8"))
    assert targets
    assert [target for target in targets if not (TOP / name).parent.joinpath(target).exists()] == []


def test_every_status_and_code_of_a_problem_is_listed() -> None:
    table = (TOP / "docs" / "http.md").read_text("utf-8")
    known = {(status, kind.code) for kind, status in STATUS.items() if kind not in NEVER_BY_HTTP}
    assert [
        code for status, code in sorted(known) if not re.search(rf"\| {status} \| .*`{code}`", table)
    ] == []


def run(command: list[str], environment: dict[str, str], folder: Path) -> None:
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=RUN_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
