"""A real worker process, forked or started by a command line."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from brushwork import Client
from brushwork_core.settings.settings import Settings

from tests.fork_server.client import TOP, ForkedProcess, fork_server
from tests.servers import wait_until

START_S = 120.0
LOOK_S = 0.02
COMMAND = "tests.fork_server.command"


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
    """A running `brushwork worker` in a process of its own.

    Args:
        settings: Its settings, which it gets as environment variables.
        kinds: The kinds that it serves, with commas between.
        log: The file that its output is added to.
        by_command: Start it with a command line, as an operator does. By default the fork server runs the
            same command in a process that has imported torch and its like already: that saves seconds.
        command: The module whose `run` runs the command line.
    """

    def __init__(
        self, settings: Settings, kinds: str, log: Path, *, by_command: bool = False, command: str = COMMAND
    ) -> None:
        self._settings = settings
        self.log = log
        arguments = ["worker", f"--kinds={kinds}", f"--name=test-{os.urandom(3).hex()}@here"]
        given = {**os.environ, **environment(settings)}
        self.process: subprocess.Popen[bytes] | ForkedProcess
        if by_command:
            code = f"import sys; from {command} import run; run(sys.argv[1:])"
            with log.open("ab") as output:
                self.process = subprocess.Popen(
                    [sys.executable, "-c", code, *arguments], env=given, cwd=TOP, stdout=output, stderr=output
                )
        else:
            self.process = fork_server().start(
                f"{command}:run", {"arguments": arguments}, log=log, environment=given
            )

    def wait_ready(self) -> Self:
        """Wait until it takes work."""
        pid = f"/{self.process.pid}-"
        with Client(settings=self._settings) as client:

            def ready() -> bool:
                assert self.process.poll() is None, self.log.read_text()
                return any(pid in worker.name and worker.ready for worker in client.workers())

            wait_until(ready, bound_s=START_S, what="the start of the worker", look_s=LOOK_S)
        return self

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.process.kill()
        self.process.wait()

    def stop(self, timeout_s: float = 60) -> int:
        """Ask it to stop; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        finally:
            self.kill()
