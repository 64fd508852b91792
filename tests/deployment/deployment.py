"""The whole service of the compose file: its key, its address, and what its containers have written."""

import re
from collections.abc import Mapping
from pathlib import Path

from tests.deployment.compose_stack import ComposeStack
from tests.raw_callers import RawCaller

# One of each kind; the others would take as long again to load.
MODELS = (
    "pocket-diffusion,pocket-editor,pocket-upscaler,pocket-video,pocket-captioner,pocket-classifier,"
    "pocket-segmenter,canny,simple_cnn"
)
GATEWAY, GATEWAY_2 = "http://127.0.0.1:8600", "http://127.0.0.1:8601"


class Deployment:
    """A stack of Compose that serves.

    Args:
        folder: Empty folder of volumes and logs.
        values: Further values of the file of variables.
    """

    def __init__(self, folder: Path, values: Mapping[str, str]) -> None:
        self.folder = folder
        self.stack = ComposeStack(
            folder, {"BRUSHWORK_WEBHOOK_PRIVATE": "true", "BRUSHWORK_MODELS": MODELS, **values}
        )
        self.key = ""

    def up(self, *names: str) -> None:
        """Migrate, make a key, start services, and wait until each is healthy."""
        self.stack.up(["migration"])
        self.stack.wait_done("migration")
        said = self.stack.run("migration", "keys", "create", "operator", "--scope", "admin")
        [self.key] = re.findall(r"^bw_\w+$", said, re.MULTILINE)
        self.stack.up(names)
        for name in names:
            if self.stack.services[name].health is not None:
                self.stack.wait_healthy(name)

    def caller(self) -> RawCaller:
        """Someone with a key of this service."""
        return RawCaller(GATEWAY, self.key)

    def num_jobs(self) -> int:
        """All jobs in the ledger."""
        return int(self.query("SELECT count(*) FROM jobs"))

    def query(self, statement: str) -> str:
        """What the database answers to a statement."""
        options = ("-U", "brushwork", "-d", "brushwork", "-h", "127.0.0.1", "-At", "-c", statement)
        postgres = self.stack.containers["postgres"]
        password = f"PGPASSWORD={self.stack.passwords['POSTGRES_PASSWORD']}"
        answer = postgres.execute("env", password, "psql", *options)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    def written(self, volume: str) -> list[str]:
        """The files of a volume, by their paths in it."""
        folder = self.folder / "volumes" / volume
        return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())

    def written_in_memory(self, name: str) -> list[str]:
        """The files in the /tmp of a container."""
        found = self.stack.containers[name].execute("find", "/tmp", "-xdev", "-type", "f")  # noqa: S108
        return sorted(found.stdout.split())
