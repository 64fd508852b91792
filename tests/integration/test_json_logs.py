"""Each service with a JSON log: every line is an object, from a start that fails to an end by force."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.integration.embedded import Up

SECRET = "s3cret"
# Command lines that fail, with an environment, and what the line says. One process runs them one by one.
FAILURES: tuple[tuple[list[str], dict[str, str], str], ...] = (
    (["gateway", "--prot", "1"], {}, "--prot"),
    (["gateway", "--port", "none"], {}, "--port"),
    (["gateway", "--host", "192.0.2.1"], {}, "API key"),
    (["worker", "--kinds", "no-such-kind"], {}, "no-such-kind"),
    (["worker"], {"BRUSHWORK_LEASE_S": "soon"}, "BRUSHWORK_LEASE_S"),
    (["worker"], {"BRUSHWORK_DATABASE_URL": f"postgresql+psycopg://u:{SECRET}@127.0.0.1:1/x"}, "database"),
    (["webhooks", "send"], {}, "BRUSHWORK_WEBHOOK_SECRET"),
    (["up", "--workers", "many"], {}, "--workers"),
    (["prune", "--older-than", "much"], {}, "much"),
)
RUN_ALL = """
import json, os, sys
from brushwork.cli import main
for arguments, environment in json.loads(sys.argv[1]):
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        main(arguments)
    except SystemExit:
        pass
    os.environ.clear()
    os.environ.update(before)
"""


def lines_of(log: str) -> list[dict[str, Any]]:
    """The lines of a log, each of which is a JSON object without a secret."""
    lines = [json.loads(line) for line in log.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines), log
    assert SECRET not in log
    return lines


def run(folder: Path, *commands: tuple[list[str], dict[str, str]]) -> str:
    """What commands that end by themselves write to both outputs."""
    environment = {
        **os.environ,
        "BRUSHWORK_LOG_FORMAT": "json",
        "BRUSHWORK_REDIS_URL": f"redis://:{SECRET}@127.0.0.1:1/0",
        "BRUSHWORK_DATABASE_URL": f"sqlite:///{folder}/ledger.sqlite3",
        "BRUSHWORK_ARTIFACTS_URL": str(folder / "artifacts"),
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(commands)],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def test_a_start_that_fails_is_one_line(tmp_path: Path) -> None:
    lines = lines_of(run(tmp_path, *((arguments, environment) for arguments, environment, _ in FAILURES)))
    critical = [line["message"] for line in lines if line["level"] == "CRITICAL"]
    assert len(critical) == len(FAILURES)
    for message, (_, _, expected) in zip(critical, FAILURES, strict=True):
        assert expected in message


def test_commands_of_timers_write_lines(tmp_path: Path) -> None:
    migrated, pruned = lines_of(run(tmp_path, (["migrate"], {}), (["prune", "--older-than", "1d"], {})))
    assert "up to date" in migrated["message"]
    assert "Removed 0 jobs" in pruned["message"]


def test_a_command_that_prints_json_prints_only_that(tmp_path: Path) -> None:
    assert json.loads(run(tmp_path, (["migrate", "--json"], {}))).keys() >= {"revision"}


def test_up_and_all_its_parts_write_lines(tmp_path: Path) -> None:
    environment = {"BRUSHWORK_LOG_FORMAT": "json"}
    with Up(tmp_path / "data", "--port", "0", "--no-flower", environment=environment, stub=True) as up:
        up.ready().stop()
    lines = lines_of(up.log)
    assert {line["service"] for line in lines if "service" in line} >= {"redis", "worker", "gateway"}
    assert any("brushwork is ready" in line["message"] for line in lines)
    for file in (tmp_path / "data" / "logs").iterdir():
        assert lines_of(file.read_text("utf-8")), file
