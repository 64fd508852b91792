"""The first process of a container: makes its root, gives up its rights, and becomes the service.

It runs in new namespaces, with the Python of the system and no packages: `inside.py SPEC`. The mounts of the
container are made below SPEC's `root` and are gone with the namespace.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# As Docker mounts a `tmpfs` of a compose file.
TMPFS = "rw,nosuid,nodev,noexec,mode=1777"
# Of all rights that root has, none is left.
NO_RIGHTS = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")


def main(spec: dict[str, Any]) -> None:
    """Become the service that `spec` describes, once the network is there."""
    root = Path(spec["root"])
    _make_root(root, spec)
    sys.stdin.read()
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "address", "add", f"{spec['address']}/16", "dev", "eth0")
    _run("ip", "link", "set", "eth0", "up")
    _run("hostname", spec["hostname"])
    os.chroot(root)
    os.chdir(spec["folder"])
    os.umask(0o022)
    words = _as_user(spec) + spec["command"]
    # The first word is looked for as the container does, with the path of its environment.
    os.environ["PATH"] = spec["environment"]["PATH"]
    os.execvpe(words[0], words, spec["environment"])  # noqa: S606


def _make_root(root: Path, spec: dict[str, Any]) -> None:
    """The machine's files as the image, with what the container mounts over them."""
    scratch = root.with_name("scratch")
    _run("mount", "-t", "tmpfs", "tmpfs", str(scratch))
    for name in ("upper", "work"):
        (scratch / name).mkdir()
    layers = f"lowerdir=/,upperdir={scratch}/upper,workdir={scratch}/work"
    _run("mount", "-t", "overlay", "overlay", "-o", layers, str(root))
    _run("mount", "-t", "proc", "proc", str(root / "proc"))
    for name in ("sys", "dev"):
        _run("mount", "--rbind", f"/{name}", str(root / name))
    for folder in spec["tmpfs"]:
        _run("mount", "-t", "tmpfs", "-o", TMPFS, "tmpfs", str(_below(root, folder)))
    # The packages and the checkout stand for what the image has installed, wherever they are.
    for folder in spec["installed"]:
        _open_way(root, folder)
        _bind(Path(folder), _below(root, folder), read_only=True)
    for mount in spec["mounts"]:
        _bind(Path(mount["source"]), _below(root, mount["target"]), read_only=mount["read_only"])
    _bind(Path(spec["hosts"]), root / "etc/hosts", read_only=True)
    for name, line in spec["accounts"].items():
        _add_account(root / "etc" / name, line)
    if spec["is_read_only"]:
        _run("mount", "-o", "remount,bind,ro", str(root))


def _add_account(file: Path, line: str) -> None:
    """Add the user of the image to the layer over the machine's files."""
    file.write_text(f"{file.read_text('utf-8').rstrip()}\n{line}\n", "utf-8")


def _below(root: Path, folder: str) -> Path:
    found = root / folder.lstrip("/")
    found.mkdir(parents=True, exist_ok=True)
    return found


def _open_way(root: Path, folder: str) -> None:
    """Let every user pass through the folders above: a checkout may lie in one that is its owner's alone."""
    for parent in Path(folder).parents:
        place = root / str(parent).lstrip("/")
        if place.is_dir():
            place.chmod(place.stat().st_mode | 0o055)


def _bind(source: Path, target: Path, *, read_only: bool) -> None:
    _run("mount", "--bind", str(source), str(target))
    if read_only:
        _run("mount", "-o", "remount,bind,ro", str(target))


def _as_user(spec: dict[str, Any]) -> list[str]:
    user = spec["user_id"]
    if user == 0:
        return []
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *NO_RIGHTS, "--"]


def _run(*words: str) -> None:
    subprocess.run(words, check=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
