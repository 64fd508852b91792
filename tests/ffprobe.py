"""ffprobe, an independent reader of videos. Without it, its tests are skipped; in CI they fail."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def probed(file: Path) -> dict[str, Any]:
    """Return what ffprobe says of the video of a file, with the number of frames that it decoded."""
    program = shutil.which("ffprobe")
    if program is None:
        message = "ffprobe is not installed (Debian: ffmpeg)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    command = (
        *(program, "-v", "error", "-of", "json", "-count_frames", "-select_streams", "v:0"),
        *("-show_streams", "-show_format", str(file)),
    )
    said = subprocess.run(command, capture_output=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(said.stdout)
    return {**found["streams"][0], "tags": found["format"].get("tags", {})}
