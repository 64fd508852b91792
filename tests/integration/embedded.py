"""`brushwork up` as a subprocess, for tests: started, asked where it listens, and ended for certain."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from brushwork.client import Client
from brushwork_core.settings.settings import Settings

from tests.servers import wait_until

STUB_SERVICE = Path(__file__).parents[1] / "stub_service"
READY_S = 180.0
END_S = 60.0


class Up:
    """One life of `brushwork up` on a data folder.

    Args:
        data: The data folder.
        options: More options of the command.
        environment: Added to a clean environment.
        stub: Run a worker without models in place of the real one.
        output: An open file that its output goes to; by default a log file beside the data folder.
        python: Interpreter of the environment that has brushwork.
    """

    def __init__(
        self,
        data: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        stub: bool = False,
        output: int | None = None,
        python: str = sys.executable,
    ) -> None:
        self.data = data
        self._log = data.with_name(f"{data.name}.log")
        plain = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BRUSHWORK_", "CELERY_", "FLOWER_"))
        }
        # Only who asks for it waits for a gateway.
        about_http = any(option in options for option in ("--gateway", "--port"))
        first = filter(None, (str(STUB_SERVICE), os.environ.get("PYTHONPATH")))
        path = {"PYTHONPATH": os.pathsep.join(first)} if stub else {}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(python, "-m", "brushwork", "up", "--data", str(data), *options),
                    *(() if about_http else ("--no-gateway",)),
                    *(() if any("--workers" in option for option in options) else ("--workers", "1")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output or log,
                stderr=log,
                env={**plain, **path, **(environment or {})},
                start_new_session=True,
            )

    @property
    def env_file(self) -> Path:
        return self.data / "brushwork.env"

    @property
    def log(self) -> str:
        """What this and earlier lives on the folder printed."""
        return self._log.read_text("utf-8")

    def ready(self) -> Self:
        """Wait until it has said where it listens."""
        wait_until(
            lambda: self.env_file.exists() or self.process.poll() is not None,
            bound_s=READY_S,
            what="the start of brushwork up",
        )
        assert self.process.poll() is None, self.log
        return self

    def addresses(self) -> dict[str, str]:
        lines = self.env_file.read_text("utf-8").splitlines()
        pairs = (line.removeprefix("export ").split("=", 1) for line in lines)
        return {name: value.strip("'") for name, value in pairs}

    def settings(self) -> Settings:
        given = {name.removeprefix("BRUSHWORK_").lower(): url for name, url in self.addresses().items()}
        return Settings.load(**{name: url for name, url in given.items() if name in Settings.model_fields})

    def client(self) -> Client:
        return Client(settings=self.settings())

    def part(self, words: str) -> psutil.Process:
        """The child whose command line holds `words`."""
        for child in self.children():
            if words in " ".join(child.cmdline()):
                return child
        raise AssertionError(f"no child runs {words!r}: {self.children()}")

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them runs any more."""
    return not any(_runs(process) for process in processes)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
