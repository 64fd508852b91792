"""exiftool, an independent reader of metadata. Without it, its tests are skipped; in CI they fail."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def read_by_exiftool(*files: Path) -> list[dict[str, Any]]:
    """Return what exiftool reads of each file, as `group:tag` and value, with its warnings."""
    program = shutil.which("exiftool")
    if program is None:
        message = "exiftool is not installed (Debian: libimage-exiftool-perl)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    command = (program, "-json", "-G1", "-struct", "-charset", "utf8", *map(str, files))
    said = subprocess.run(command, capture_output=True, check=True, timeout=60)
    found: list[dict[str, Any]] = json.loads(said.stdout)
    return found
