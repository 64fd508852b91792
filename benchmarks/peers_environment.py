"""The virtual environment of the peers, which shares the packages of this one and adds the peers."""

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "peers"
PYTHON = FOLDER / "bin" / "python"
CONSTRAINTS = Path(__file__).with_name("peers-constraints.txt")
PACKAGES = ("litserve",)


def is_there() -> bool:
    """Whether the environment is made and as the constraints say now."""
    mark = FOLDER / "made-from"
    return mark.is_file() and mark.read_text("utf-8") == CONSTRAINTS.read_text("utf-8")


def make() -> None:
    """Make it, or make it anew, from the package index; a few seconds, since torch is there already."""
    if is_there():
        return
    print("Installing the peers into an environment of their own.", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
    install = ["-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    subprocess.run([str(PYTHON), *install, *PACKAGES, "-c", str(CONSTRAINTS)], check=True)
    # Behind the peers' own packages, so the same torch and diffusers serve every contestant.
    ours = sysconfig.get_path("purelib")
    theirs = subprocess.run(
        [str(PYTHON), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    (Path(theirs) / "same_torch.pth").write_text(f"{ours}\n", "utf-8")
    (FOLDER / "made-from").write_text(CONSTRAINTS.read_text("utf-8"), "utf-8")


if __name__ == "__main__":
    make()
