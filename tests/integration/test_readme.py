"""What the README shows is run, as a reader would run it, against a running stack."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from brushwork.cli.exit_status import MEANINGS
from brushwork_schemas.settings import Settings

from tests.integration.embedded import Up

TOP = Path(__file__).parents[2]
READMES = ("README.md", "README.zh.md")
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^<!-- run -->\n```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
RUN_S = 120


def blocks(pattern: re.Pattern[str]) -> list[pytest.param]:  # type: ignore[valid-type]
    return [
        pytest.param(code, id=f"{name}-{number}")
        for name in READMES
        for number, code in enumerate(pattern.findall((TOP / name).read_text("utf-8")))
    ]


@pytest.fixture
def environment(running_up: Up) -> dict[str, str]:
    """The environment of a reader who has sourced `brushwork.env`, and has `brushwork` on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **running_up.addresses(), "PATH": path}


@pytest.mark.parametrize("code", blocks(PYTHON))
def test_python_runs(code: str, environment: dict[str, str], tmp_path: Path) -> None:
    run([sys.executable, "-W", "error", "-c", code], environment, tmp_path)


@pytest.mark.parametrize("code", blocks(SHELL))
def test_shell_runs(code: str, environment: dict[str, str], tmp_path: Path) -> None:
    run(["/bin/bash", "-euo", "pipefail", "-c", code], environment, tmp_path)
    assert list((tmp_path / "pictures").glob("*.png"))


@pytest.mark.parametrize("name", READMES)
def test_every_setting_and_exit_status_is_listed(name: str) -> None:
    text = (TOP / name).read_text("utf-8")
    missing = [field for field in Settings.model_fields if f"`BRUSHWORK_{field.upper()}`" not in text]
    assert missing == []
    assert all(f"\n| {status.value} |" in text for status in MEANINGS)


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", (TOP / name).read_text("utf-8"))
    assert targets
    assert [target for target in targets if not (TOP / target).exists()] == []


def run(command: list[str], environment: dict[str, str], folder: Path) -> None:
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=RUN_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
