"""Where chromium is, and how it is started."""

import shutil

# In a container, often as root, chromium's own sandbox can't be set up.
LAUNCH = ["--no-sandbox", "--disable-dev-shm-usage"]


def program() -> str | None:
    """The browser's path, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")
