"""`python -m tests.deployment`: the whole deployment that the compose file prints, as processes.

All kinds, training and serving the trained model, and a rolling restart of every service under load.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.deployment.deployment import GATEWAY, GATEWAY_2, Deployment
from tests.deployment.every_kind import LOCAL_KINDS, one_of_each, requests_of_kinds, served_by_trained_model
from tests.deployment.namespace import enter, missing
from tests.deployment.network import HOST, make_bridge
from tests.deployment.rolling_restart import ORDER, rolling_restart
from tests.nginx_server import NAME, NginxServer
from tests.raw_callers import RawCaller
from tests.receivers import Receiver

SERVICES = ("worker", "gateway", "gateway-2", "webhooks", "prune", "flower")
RECEIVER_PORT = 9900
# Of the jobs of the rolling restart, so that two cores are not busy with pictures alone.
OFTEN = (
    "image-classification", "image-to-text", "image-segmentation", "text-to-image", "image-classification",
    "image-segmentation", "image-to-text", "inpainting",
)  # fmt: skip
BY_TRAINED = "image-classification by the trained model"
Caller = Callable[[], RawCaller]


def main() -> int:
    """Run it, print what was measured as JSON, and return the exit status."""
    options = _parser().parse_args()
    if reason := missing():
        print(f"this machine cannot run it: {reason}", file=sys.stderr)
        return 2
    enter()
    make_bridge()
    folder = Path(options.folder or tempfile.mkdtemp(prefix="brushwork-deployment-"))
    # nginx serves as another user.
    folder.chmod(0o755)
    deployment = Deployment(folder, {"FORWARDED_ALLOW_IPS": HOST})
    nginx = NginxServer(folder, [GATEWAY, GATEWAY_2]).start()
    with deployment.stack:
        began = time.monotonic()
        deployment.up(*SERVICES)
        measured: dict[str, Any] = {"healthy_s": round(time.monotonic() - began, 1)}
        make: Caller = lambda: RawCaller(nginx.address, deployment.key, trust=nginx.trust, host=NAME)  # noqa: E731
        measured["kinds"] = _kinds(make)
        measured["restart"] = _restart(deployment, make, options.jobs)
        measured["attempts"] = deployment.query("SELECT attempt, count(*) FROM jobs GROUP BY 1 ORDER BY 1")
    nginx.stop()
    print(json.dumps(_with_text_as_keys(measured), indent=1))
    is_good = measured["restart"]["is_good"] and set(measured["kinds"].values()) == {"succeeded"}
    return 0 if is_good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.deployment", description=__doc__)
    parser.add_argument("--jobs", type=int, default=300, help="callers during the rolling restart")
    parser.add_argument("--folder", help="folder of volumes and logs; by default a new one")
    return parser


def _kinds(make: Caller) -> Mapping[str, str]:
    reports = one_of_each(make(), LOCAL_KINDS)
    trained = served_by_trained_model(make(), reports["image-classification-training"])
    return {**{kind: report.state for kind, report in reports.items()}, BY_TRAINED: trained.state}


def _restart(deployment: Deployment, make: Caller, num_jobs: int) -> dict[str, Any]:
    requests = requests_of_kinds(make())
    with Receiver(RECEIVER_PORT, host=HOST) as receiver:
        webhook = {"webhook_url": f"http://{HOST}:{RECEIVER_PORT}/heard"}
        kinds = itertools.islice(itertools.cycle(OFTEN), num_jobs)
        jobs = [{**requests[kind], **webhook} for kind in kinds]
        outcome = rolling_restart(deployment, make, receiver, jobs)
    print(outcome.verdict, file=sys.stderr)
    return {**asdict(outcome), "order": ORDER, "is_good": outcome.is_good}


def _with_text_as_keys(value: Any) -> Any:
    """Return what JSON can hold: pairs, such as a method and a status, are keys of counters."""
    if isinstance(value, Mapping):
        return {
            " ".join(map(str, key)) if isinstance(key, tuple) else str(key): _with_text_as_keys(each)
            for key, each in value.items()
        }
    return value


if __name__ == "__main__":
    sys.exit(main())
