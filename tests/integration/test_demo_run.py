"""`brushwork demo` as `make demo` runs it."""

import os
import subprocess
import sys
from pathlib import Path

from PIL import Image


def test_the_demonstration_runs_to_its_end_and_stops_what_it_started(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "brushwork", "demo", "--out", "demo"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "白色背景上的大粉色心形" in done.stdout
    assert "8 jobs done" in done.stderr
    with Image.open(tmp_path / "demo" / "contact-sheet.png") as sheet:
        assert sheet.width == 848
    assert (tmp_path / "demo" / "index.html").read_text("utf-8").count("<img ") == 16
    assert not (tmp_path / "demo" / "data" / "brushwork.env").exists()
