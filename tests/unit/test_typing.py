"""A caller's program against the public client passes mypy strictly, and its mistakes do not."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio
from pathlib import Path

from brushwork import Artifact, AsyncClient, Client, Job, JobState, Preview, Progress, WaitTimeout


def report(state: JobState, progress: Progress) -> None:
    print(state.value, progress.fraction)


def look(preview: Preview) -> None:
    preview.save("preview.jpg")


with Client(redis_url="redis://localhost/0") as client:
    job: Job = client.submit("text-to-image", prompt="a red circle", seed=7)
    jobs: list[Job] = client.submit_many([{"kind": "text-to-image", "prompt": "x"}])
    try:
        job = client.wait(job.id, timeout_s=60, on_progress=report, on_preview=look)
    except WaitTimeout:
        job = client.cancel(job.id)
    prompt, picture = job.request, job.result.images[0]
    last: list[Job] = client.list(kind="text-to-image", state="failed", limit=5, before=job)
    data: bytes = client.artifact_bytes("0" * 64)
    names: list[str] = [model.name for model in client.models()]


with Client("http://localhost:8600", key="bw_0", patience_s=5) as client:
    stored: Artifact = client.upload(Path("picture.png"))
    again: Job = client.retry(client.submit("image-to-text", image=stored).id, language="zh")
    outlook = client.outlook(again.id)
    place: int | None = outlook.position if outlook else None
    schemas: list[str] = [kind.name for kind in client.kinds()]


def save(artifact: Artifact, folder: Path) -> Path:
    return artifact.save(folder / artifact.sha256)


async def main() -> Job:
    async with AsyncClient() as client:
        job: Job = await client.submit("image-to-text", image=b"")
        early: Preview | None = await client.preview(job.id)
        names: list[str] = [model.name for model in client.models()]
        names = [model.name for model in await client.models()]
        return await client.wait(job.id, on_progress=report)


asyncio.run(main())
"""
MISTAKES = """
from brushwork import Client

client = Client()
client.submit()
client.wait(5)
client.get("x").stat
client.list(limit="all")
Client(8600)
"""


def problems(folder: Path, program: str) -> list[str]:
    """What mypy says of `program`, as `line: code`."""
    file = folder / "program.py"
    file.write_text(program)
    # Away from the checkout, so that what is installed is judged as a caller would see it.
    cache = Path(__file__).parents[2] / ".mypy_cache" / "typing_test"
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={cache}", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert ran.returncode in (0, 1), ran.stderr + ran.stdout
    return re.findall(r"program\.py:(\d+: error: .*)", ran.stdout)


@pytest.mark.slow
def test_a_caller_s_program_is_typed(tmp_path: Path) -> None:
    assert problems(tmp_path, PROGRAM) == []


@pytest.mark.slow
def test_a_caller_s_mistakes_are_found(tmp_path: Path) -> None:
    found = problems(tmp_path, MISTAKES)
    assert [int(line.split(":")[0]) for line in found] == [5, 6, 7, 8, 9]
