"""An independent reader of Content Credentials: `@trustnxt/c2pa-ts`, which `make generators` installs.

It shares no code with c2pa-python. It knows no WebP, so `read.mjs` finds the chunk for it. It does not know
that an assertion that a later manifest has redacted may be gone, and reports it as missing.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
# A busy machine needs a tenth of it.
BOUND_S = 60


def read_independently(folder: Path, pictures: Sequence[bytes]) -> list[dict[str, Any]]:
    """What the reader says of pictures.

    Args:
        folder: Empty, for the files.
        pictures: Signed files.
    """
    if not (HERE / "node_modules" / "@trustnxt").exists():
        if os.environ.get("CI"):
            pytest.fail("@trustnxt/c2pa-ts is not installed: make generators")
        pytest.skip("@trustnxt/c2pa-ts is not installed: make generators")
    files = []
    for number, picture in enumerate(pictures):
        files.append(folder / f"{number}")
        files[-1].write_bytes(picture)
    done = subprocess.run(
        ["node", HERE / "read.mjs", *files], capture_output=True, text=True, timeout=BOUND_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
