"""`python -m tests.deployment.quick`: one job of each kind in the containers of the compose file, as JSON."""

import json
import sys
import tempfile
from pathlib import Path

from tests.deployment.deployment import Deployment
from tests.deployment.every_kind import LOCAL_KINDS, one_of_each, served_by_trained_model
from tests.deployment.namespace import enter
from tests.deployment.network import make_bridge
from tests.raw_callers import Report

SERVICES = ("worker", "gateway", "webhooks", "prune", "flower")


def main() -> None:
    """Start the services, run the jobs, and print what came of them."""
    enter()
    make_bridge()
    with tempfile.TemporaryDirectory(prefix="brushwork-deployment-") as folder:
        deployment = Deployment(Path(folder), {})
        with deployment.stack:
            deployment.up(*SERVICES)
            caller = deployment.caller()
            reports = one_of_each(caller, LOCAL_KINDS)
            trained = served_by_trained_model(caller, reports["image-classification-training"])
            found = {
                "jobs": {
                    **{kind: _told(report) for kind, report in reports.items()},
                    "trained": _told(trained),
                },
                "cache": deployment.written("cache"),
                "models": deployment.written("models"),
                "names": deployment.query("SELECT DISTINCT application_name FROM pg_stat_activity").split(
                    "\n"
                ),
                "writable": {name: _writes(deployment, name) for name in SERVICES},
                "stopped": {name: deployment.stack.stop(name) for name in (*SERVICES, "redis", "postgres")},
            }
    json.dump(found, sys.stdout)


def _told(report: Report) -> list[object]:
    return [report.state, report.error, report.again]


def _writes(deployment: Deployment, name: str) -> list[str]:
    """The places to which a container can write."""
    places = ("/", "/etc", "/models", "/artifacts", "/cache", "/tmp")  # noqa: S108
    tried = 'for place in "$@"; do (: >"$place/.tried") 2>/dev/null && echo "$place"; done; true'
    return deployment.stack.containers[name].execute("sh", "-c", tried, "sh", *places).stdout.split()


if __name__ == "__main__":
    main()
