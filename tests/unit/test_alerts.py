"""The alert rules, by promtool: each fires when it should, none in an hour of a recorded calm run."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts.cases import ALIVE, CASES, Case
from tests.alerts.recording import EVERY_S, HOUR_S, RULES, Recording, read_by_rules
from tests.prometheus_server import program, require

RUNBOOK = RULES.with_name("README.md")
# The minutes for which a situation without an alert is watched.
LONGEST_MIN = 40


@pytest.fixture(autouse=True)
def _promtool() -> None:
    require("promtool")


def promtool(*arguments: object) -> str:
    done = subprocess.run(
        [program("promtool"), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules_tested(folder: Path, tests: Sequence[dict[str, Any]]) -> str:
    """The output of `promtool test rules`."""
    file = folder / "test.yml"
    # JSON is YAML.
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": tests}))
    return promtool("test", "rules", file)


def _input(series: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for name, values in series.items()]


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def firing(number: int, minute: int, alert: str = ".+") -> dict[str, Any]:
    """A look at the number of alerts that fire."""
    samples = [{"labels": "{}", "value": number}] if number else []
    fires = f'count(ALERTS{{alertname=~"{alert}",alertstate="firing"}})'
    return {"expr": fires, "eval_time": f"{minute}m", "exp_samples": samples}


def looks(case: Case) -> list[dict[str, Any]]:
    if case.fires_at is None:
        return [firing(0, minute, case.alert) for minute in range(2, LONGEST_MIN, 2)]
    return [firing(0, case.silent_at, case.alert), firing(case.number, case.fires_at, case.alert)]


def test_the_rules_are_valid() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", RULES)


def test_each_alert_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    assert {case.alert for case in CASES if case.fires_at is not None} == alerts().keys()
    tests = [
        {
            "name": f"{case.alert} {number}",
            "interval": "30s",
            "input_series": _input(case.series),
            "promql_expr_test": looks(case),
        }
        for number, case in enumerate(CASES)
    ]
    assert "SUCCESS" in rules_tested(tmp_path, tests)


def test_a_calm_hour_is_silent(tmp_path: Path) -> None:
    hour = Recording.load().hour()
    test = {
        "interval": f"{EVERY_S}s",
        "input_series": _input(hour | ALIVE),
        "promql_expr_test": [firing(0, minute) for minute in range(1, HOUR_S // 60 + 1)],
    }
    assert "SUCCESS" in rules_tested(tmp_path, [test])


def test_the_calm_run_has_what_the_rules_read() -> None:
    recording = Recording.load()
    recorded = {name.partition("{")[0] for name in recording.series}
    # Nothing of these is there as long as nothing has failed, or nothing was removed.
    assert read_by_rules() - recorded <= {"brushwork_model_evictions_total"}
    assert recording.num_scrapes * EVERY_S >= 300
    succeeded = [
        values[-1] for name, values in recording.series.items() if "attempts_total" in name and "succ" in name
    ]
    assert sum(filter(None, succeeded)) > 20


def test_an_hour_that_is_not_calm_is_heard(tmp_path: Path) -> None:
    """The test above can fail: the same hour with the workers gone."""
    gone = 'brushwork_queue_depth{instance="gateway:8600",job="brushwork",kind="text-to-image"}'
    hour = Recording.load().hour()
    changed = {name: "0x240" if "brushwork_workers" in name else values for name, values in hour.items()}
    test = {
        "interval": f"{EVERY_S}s",
        "input_series": _input({**changed, gone: "3x240"}),
        "promql_expr_test": [firing(1, 30, "BrushworkNoWorker")],
    }
    assert "SUCCESS" in rules_tested(tmp_path, [test])


@pytest.mark.parametrize("name", sorted(alerts()))
def test_each_alert_says_what_to_do(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"README.md#{name.lower()}"
    [entry] = re.findall(rf"^### {name}$(.*?)(?=^#|\Z)", RUNBOOK.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for part in ("**Meaning.**", "**Look.**", "**Fix.**"):
        assert part in entry, part


def test_the_runbook_has_no_other_entries() -> None:
    entries = re.findall(r"^### (Brushwork\w+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE)
    assert entries == list(alerts())
