"""schemathesis as a process of its own, against a gateway that listens."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from brushwork_core.access.api_keys import Scope
from brushwork_core.settings.settings import Settings

from tests.contract.performer import Performer
from tests.contract.words import ARCHIVES, PICTURES
from tests.gateways import GatewayServer, bearer, key

# A batch of a thousand pictures takes a while on a busy machine.
ANSWER_S = "60"


def run(
    settings: Settings, folder: Path, *arguments: str, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run it with all checks.

    With keys in force, so that it sees whether they are asked for; the key is an operator's, for whom every
    tenant's name is right, as the schema says.

    Args:
        settings: Those of the gateway that is started for it.
        folder: For what it and the gateway write.
        arguments: More of its command line.
        options: For the process.
    """
    server = GatewayServer(settings, folder / "gateway.log")
    own = bearer(key(settings, "", [Scope.ADMIN]))
    try:
        server.start()
        _bring_files(server.address, own)
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.address}/v1/openapi.json"),
            *("--checks", "all", "--no-color", "--request-timeout", ANSWER_S),
            *("--header", f"Authorization: {own['Authorization']}", *arguments),
        ]
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        hooked = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.contract.words", "PYTHONPATH": path}
        with Performer(settings):
            return subprocess.run(command, cwd=folder, env=hooked, check=False, text=True, **options)
    finally:
        server.stop()


def _bring_files(address: str, headers: dict[str, str]) -> None:
    files = [
        *((picture, "image/png") for picture in PICTURES),
        *((each, "application/zip") for each in ARCHIVES),
    ]
    for data, media_type in files:
        answer = httpx.post(
            f"{address}/v1/files", content=data, headers={**headers, "Content-Type": media_type}
        )
        answer.raise_for_status()
