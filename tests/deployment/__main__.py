"""`python -m tests.deployment`: the whole deployment that the compose file prints, as processes.

All kinds, training and serving the trained model, and a rolling restart of every service under load.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from brushwork_schemas.kinds.registry import all_kinds

from tests.deployment.compose_file import TOP
from tests.deployment.deployment import Deployment
from tests.deployment.every_kind import one_of_each, requests_of_kinds, served_by_trained_model
from tests.deployment.namespace import enter, missing
from tests.deployment.network import GATEWAY, make_bridge
from tests.deployment.proxy import ADDRESS, Proxy
from tests.deployment.rolling_restart import ORDER, rolling_restart
from tests.receivers import Receiver

SERVICES = ("worker", "gateway", "gateway-2", "webhooks", "prune", "flower")
RECEIVER_PORT = 9900
# Of the jobs of the rolling restart; training and upscaling take longer than the others.
OFTEN = ("text-to-image", "image-classification", "image-to-text", "image-segmentation")


def main() -> int:
    """Run it, print what was measured as JSON, and return the exit status."""
    options = _parser().parse_args()
    if reason := missing():
        print(f"this machine cannot run it: {reason}", file=sys.stderr)
        return 2
    enter()
    make_bridge()
    folder = Path(options.folder or tempfile.mkdtemp(prefix="brushwork-deployment-"))
    deployment = Deployment(folder, {"FORWARDED_ALLOW_IPS": GATEWAY})
    with deployment.stack, Proxy(folder / "nginx", options.nginx):
        began = time.monotonic()
        deployment.up(*SERVICES)
        measured: dict[str, Any] = {"healthy_s": round(time.monotonic() - began, 1)}
        measured["kinds"] = _kinds(deployment)
        measured["restart"] = _restart(deployment, options.jobs)
        measured["attempts"] = deployment.query("SELECT attempt, count(*) FROM jobs GROUP BY 1 ORDER BY 1")
    print(json.dumps(measured, indent=1))
    is_good = measured["restart"].pop("is_good") and set(measured["kinds"].values()) == {"succeeded"}
    return 0 if is_good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.deployment", description=__doc__)
    parser.add_argument("--jobs", type=int, default=300, help="callers during the rolling restart")
    parser.add_argument("--folder", help="folder of volumes and logs; by default a new one")
    parser.add_argument("--nginx", type=Path, default=TOP / "deploy" / "nginx" / "brushwork.conf")
    return parser


def _kinds(deployment: Deployment) -> Mapping[str, str]:
    caller = deployment.caller(ADDRESS)
    stories = one_of_each(caller, tuple(all_kinds()))
    served = served_by_trained_model(caller, stories["image-classification-training"])
    states = {kind: story.state for kind, story in stories.items()}
    return {**states, "image-classification by the trained model": served.state}


def _restart(deployment: Deployment, num_jobs: int) -> dict[str, Any]:
    caller = deployment.caller(ADDRESS)
    requests = requests_of_kinds(caller)
    with Receiver(RECEIVER_PORT, host=GATEWAY) as receiver:
        webhook = {"webhook_url": f"http://{GATEWAY}:{RECEIVER_PORT}/heard"}
        kinds = itertools.islice(itertools.cycle(OFTEN), num_jobs)
        jobs = [{"kind": kind, **requests[kind], **webhook} for kind in kinds]
        outcome = rolling_restart(deployment, caller, receiver, jobs)
    return {**asdict(outcome), "order": ORDER, "is_good": outcome.is_good}


if __name__ == "__main__":
    sys.exit(main())
