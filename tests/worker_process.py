"""A real worker process on a catalogue of tiny models."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from brushwork import Client
from brushwork_core.settings.settings import Settings

from tests.servers import wait_until
from tests.tiny_models import (
    save_captioner,
    save_classifier,
    save_segmenter,
    save_stable_diffusion,
)

START_S = 120.0
# In the log of a worker whose process went on after it had stopped.
LINGERED = "what comes after a worker"
_CATALOGUE = """
[models.tiny-diffusion]
family = "stable-diffusion"
source = {{ folder = "{folder}/diffusion" }}
defaults = {{ width = 32, height = 32, num_inference_steps = 4, guidance_scale = 2.0 }}
schedulers = ["EulerDiscreteScheduler"]

[models.tiny-captioner]
family = "vision-encoder-decoder"
source = {{ folder = "{folder}/captioner" }}
defaults = {{ max_new_tokens = 6 }}

[models.tiny-classifier]
family = "torchvision-classifier"
source = {{ folder = "{folder}/classifier" }}

[models.tiny-segmenter]
family = "torchvision-segmenter"
source = {{ folder = "{folder}/segmenter" }}
"""
NAMES = "tiny-diffusion,tiny-captioner,tiny-classifier,tiny-segmenter"


def save_catalogue(folder: Path) -> Path:
    """Four tiny models, one of each kind, and the catalogue that names them."""
    save_stable_diffusion(folder / "diffusion")
    save_captioner(folder / "captioner")
    save_classifier(folder / "classifier")
    save_segmenter(folder / "segmenter")
    file = folder / "catalogue.toml"
    file.write_text(_CATALOGUE.format(folder=folder))
    return file


def environment(settings: Settings) -> dict[str, str]:
    """The environment variables that say what `settings` say."""
    given = {
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "DATABASE_URL": settings.database_url.get_secret_value(),
        **{name.upper(): str(value) for name, value in settings if "url" not in name and value is not None},
        "ARTIFACTS_URL": settings.artifacts_url,
    }
    return {f"BRUSHWORK_{name}": value for name, value in given.items()}


class WorkerProcess:
    """A worker in a process of its own, for all kinds unless told otherwise."""

    def __init__(self, settings: Settings, kinds: str, log: Path) -> None:
        code = (
            "import sys; from brushwork_core.settings.settings import Settings;"
            "from brushwork_workers.process.service import serve;"
            "serve(Settings.load(), kinds=sys.argv[1].split(','), name=sys.argv[2]);"
            f"print({LINGERED!r})"
        )
        self._settings = settings
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, kinds, f"test-{os.urandom(3).hex()}@here"],
                env={**os.environ, **environment(settings)},
                stdout=output,
                stderr=output,
            )

    def wait_ready(self) -> Self:
        pid = f"/{self.process.pid}-"

        def ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            with Client(settings=self._settings) as client:
                return any(pid in worker.name and worker.ready for worker in client.workers())

        wait_until(ready, bound_s=START_S, what="the start of the worker")
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, timeout_s: float = 60) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        finally:
            self.kill()
