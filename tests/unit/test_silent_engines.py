"""The libraries of the engines report nothing to their makers from a worker."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# Each writes an identity of the machine into the home folder before it sends anything.
IMPORTS = {
    "onnxruntime": "import onnxruntime",
    "openvino": "import openvino.tools.ovc, openvino; openvino.Core()",
}


@pytest.mark.parametrize("package", IMPORTS)
def test_no_identity_of_the_machine_is_made(package: str, tmp_path: Path) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    for first, is_silent in (("", False), ("import brushwork_workers; ", True)):
        home = tmp_path / ("worker" if is_silent else "other")
        home.mkdir()
        # What would be sent goes nowhere.
        away = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
        places = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        cleared = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
        subprocess.run(
            [sys.executable, "-c", first + IMPORTS[package]],
            env={**cleared, **places, **away},
            check=True,
            timeout=120,
        )
        files = [str(file.relative_to(home)) for file in home.rglob("*") if file.is_file()]
        if is_silent:
            assert files == []
        elif not files:
            pytest.skip(f"this version of {package} makes no identity anyway")
