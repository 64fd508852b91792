"""Check the free space on the disks of database and artifact store."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from brushwork_core.settings.settings import Settings

from brushwork.doctor.database_check import sqlite_file
from brushwork.doctor.finding import Finding, fail, ok, warn

ABOUT = "space"
FULL_BYTES = 256 * 2**20
SCARCE_BYTES = 2 * 2**30
_HINT = "Free space, for example with: brushwork prune --older-than 30d"


def check_space(settings: Settings) -> Iterator[Finding]:
    """Check each disk once."""
    folders = [Path(settings.artifacts_url)] if "://" not in settings.artifacts_url else []
    if file := sqlite_file(settings.database_url.get_secret_value()):
        folders.append(file.parent)
    seen: set[int] = set()
    for folder in folders:
        if folder.is_dir() and (device := folder.stat().st_dev) not in seen:
            seen.add(device)
            yield space(folder, shutil.disk_usage(folder).free)


def space(folder: Path, free_bytes: int) -> Finding:
    """Return the finding for a number of free bytes."""
    message = f"{free_bytes / 1e9:.1f} GB are free at {folder}."
    if free_bytes < FULL_BYTES:
        return fail(ABOUT, message, _HINT)
    return warn(ABOUT, message, _HINT) if free_bytes < SCARCE_BYTES else ok(ABOUT, message)
