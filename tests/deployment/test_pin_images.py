"""`deploy/pin-images` with a registry that a script plays."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deployment.compose_file import TOP

FILES = ("docker-compose.yml", "producer/Dockerfile", "workers/Dockerfile", "deploy/pin-images")
TODAY = "sha256:" + "0123456789abcdef" * 4


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for file in FILES:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(TOP / file, tmp_path / file)
    return tmp_path


def _pin(checkout: Path, *options: str, answer: str = TODAY) -> "subprocess.CompletedProcess[str]":
    docker = checkout / "bin" / "docker"
    docker.parent.mkdir(exist_ok=True)
    docker.write_text(f"#!/bin/sh\necho '{answer}'\n")
    docker.chmod(0o755)
    path = f"{docker.parent}:{os.environ['PATH']}"
    command = [str(checkout / "deploy" / "pin-images"), *options]
    return subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, check=False)


def test_all_images_get_the_digests_of_today(checkout: Path) -> None:
    assert _pin(checkout, "--check").returncode == 1
    told = _pin(checkout)
    assert (told.returncode, len(told.stdout.splitlines())) == (0, 3)
    texts = [(checkout / file).read_text("utf-8") for file in FILES[:3]]
    assert [text.count(f"@{TODAY}") for text in texts] == [2, 1, 1]
    assert _pin(checkout, "--check").returncode == 0


def test_what_is_no_digest_is_not_written(checkout: Path) -> None:
    before = (checkout / FILES[0]).read_text("utf-8")
    assert _pin(checkout, answer="toomanyrequests").returncode == 2
    assert (checkout / FILES[0]).read_text("utf-8") == before
