"""The systemd units: valid, closed, and for every process that the compose file has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from brushwork_core.settings.settings import Settings

from tests.commands import run_command
from tests.deployment.compose_file import TOP, Service

UNITS = TOP / "deploy" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
PROGRAMS = "/opt/brushwork/bin/"
# Instances for a template, as the page on deployment uses them.
INSTANCES = {"brushwork-worker@.service": "0", "brushwork-gateway@.service": "8600"}
CLOSED = {
    "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "", "UMask": "0077", "User": "brushwork",
}  # fmt: skip


def _entries(file: str) -> dict[str, str]:
    lines = (UNITS / file).read_text("utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


@pytest.fixture
def verify(tmp_path: Path) -> Path:
    """A folder of all units, with the programs of this environment in place of the installed ones."""
    if shutil.which("systemd-analyze") is None:
        message = "systemd-analyze is not here (Debian: apt-get install systemd)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    for path in UNITS.iterdir():
        text = path.read_text("utf-8").replace(PROGRAMS, f"{Path(sys.executable).parent}/")
        name = path.name.replace("@.", f"@{INSTANCES[path.name]}.") if path.name in INSTANCES else path.name
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def _verified(folder: Path) -> "subprocess.CompletedProcess[str]":
    units = sorted(str(path) for path in folder.iterdir() if path.suffix != ".example")
    return subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)


def test_all_units_are_valid(verify: Path) -> None:
    answer = _verified(verify)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_a_program_that_is_not_there_would_be_found(verify: Path) -> None:
    unit = verify / "brushwork-webhooks.service"
    unit.write_text(unit.read_text("utf-8").replace("/brushwork webhooks", "/brushwerk webhooks"), "utf-8")
    answer = _verified(verify)
    assert answer.returncode != 0
    assert "brushwerk is not executable" in answer.stderr


def test_every_service_of_ours_has_a_unit(services: dict[str, Service]) -> None:
    of_compose = {name.partition("-")[0] for name, each in services.items() if each.dockerfile}
    of_systemd = {name.removesuffix(".service").rstrip("@").removeprefix("brushwork-") for name in SERVICES}
    assert of_compose - {"models"} == (of_systemd - {"migrate"}) | {"migration"}


@pytest.mark.parametrize("file", SERVICES)
def test_a_unit_is_closed(file: str) -> None:
    entries = _entries(file)
    assert {name: entries.get(name) for name in CLOSED} == CLOSED


@pytest.mark.parametrize("file", [name for name in SERVICES if "prune" not in name])
def test_what_is_misconfigured_is_not_started_again(file: str) -> None:
    assert _entries(file)["RestartPreventExitStatus"] == "2 78"


def test_a_worker_is_not_killed_while_it_stops() -> None:
    seconds = float(_entries("brushwork-worker@.service")["TimeoutStopSec"])
    assert seconds > Settings.model_fields["grace_s"].default + 10


@pytest.mark.parametrize("file", [name for name in SERVICES if "flower" not in name])
def test_its_command_line_starts_with_the_example_and_refuses_the_passwords(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in (UNITS / "brushwork.env.example").read_text("utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            monkeypatch.setenv(name, value)
    # A log in JSON would take over the output of the process that runs the tests.
    monkeypatch.setenv("BRUSHWORK_LOG_FORMAT", "text")
    program, *arguments = _entries(file)["ExecStart"].replace("%i", INSTANCES.get(file, "")).split()
    assert program == f"{PROGRAMS}brushwork"
    answer = run_command(capsys, *arguments)
    assert "still has the password of the example" in answer.err.replace("\n", " ")


def test_flower_refuses_the_password_of_the_example() -> None:
    command = _entries("brushwork-flower.service")["ExecStart"].removeprefix("/bin/sh -c ").strip("'")
    words = ["/bin/sh", "-c", command.replace("$$", "$")]
    environment = {"FLOWER_BASIC_AUTH": "admin:change-me", "PATH": "/bin"}
    answer = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (answer.returncode, "FLOWER_BASIC_AUTH" in answer.stderr) == (78, True)
