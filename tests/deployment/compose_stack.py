"""The services of the compose file, started in the order and under the conditions that it states."""

import secrets
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.deployment.compose_file import Service, printed_services, write_env_file
from tests.deployment.container import Container, Place
from tests.deployment.network import address_of, write_hosts
from tests.servers import wait_until

# As long as nothing is wrong, nobody waits so long; a busy machine may need minutes for torch alone.
HEALTHY_S, DONE_S, LOOK_S = 600.0, 300.0, 0.5
DONE = "service_completed_successfully"
SERVING = {"worker": "Ready: ", "webhooks": "Ready: ", "gateway": "Application startup complete"}
# A container that ends is started again after so long.
AGAIN_S = 0.5
_WATCH_S = 0.1


class ComposeStack:
    """A project of Compose.

    Args:
        folder: Empty folder of volumes and logs.
        values: Further values of the file of variables, beside passwords.
    """

    def __init__(self, folder: Path, values: Mapping[str, str]) -> None:
        self.passwords = {
            **{f"{name}_PASSWORD": secrets.token_hex(24) for name in ("REDIS", "POSTGRES", "FLOWER")},
            "WEBHOOK_SECRET": f"whsec_{secrets.token_hex(24)}",
        }
        env_file = write_env_file(folder / "env", {**self.passwords, **values})
        self.services = printed_services(env_file)
        self._numbers = {name: number for number, name in enumerate(sorted(self.services))}
        addresses = {name: address_of(number) for name, number in self._numbers.items()}
        self._place = Place(folder, write_hosts(folder / "hosts", addresses))
        self.containers: dict[str, Container] = {}
        self._runs = 0
        self._wanted: set[str] = set()
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def up(self, names: Iterable[str]) -> None:
        """Start services, and before them those that they wait for, as `up -d` does."""
        for name in names:
            self._start(self.services[name])
        if not self._keeper.is_alive():
            self._keeper.start()

    def wait_healthy(self, name: str) -> None:
        """Wait until the health check of a service succeeds.

        A check of ours starts Python, so none is made before the service says in its log that it serves.
        """
        container, words = self.containers[name], SERVING.get(name.partition("-")[0], "")
        says = lambda: words in container.said_in_this_life  # noqa: E731
        wait_until(says, bound_s=HEALTHY_S, what=f"{words!r} of {name}", look_s=LOOK_S)
        wait_until(container.is_healthy, bound_s=HEALTHY_S, what=f"the health of {name}", look_s=LOOK_S)

    def wait_done(self, name: str) -> None:
        """Wait until a service has ended well."""
        container = self.containers[name]
        status = container.wait(DONE_S)
        assert status == 0, (name, status, container.said)

    def run(self, name: str, *command: str) -> str:
        """Run a command in a new container of a service, as `run --rm` does, and return what it said."""
        self._runs += 1
        number = len(self._numbers) + self._runs
        container = Container(self.services[name], self._place, number, is_published=False)
        container.start(command)
        status = container.wait(DONE_S)
        assert status == 0, (command, status, container.said)
        return container.said

    def restart(self, name: str) -> None:
        """Stop a service and start it again, as `restart` does."""
        self._wanted.discard(name)
        self.containers[name].stop()
        self.containers[name].start()
        self._wanted.add(name)

    def stop(self, name: str) -> int | None:
        """Stop a service, and return its exit status."""
        self._wanted.discard(name)
        return self.containers[name].stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._wanted.clear()
        if self._keeper.is_alive():
            self._keeper.join()
        for container in self.containers.values():
            if container.is_running:
                container.kill()

    def _start(self, service: Service) -> None:
        if service.name in self.containers:
            return
        for needed, condition in service.after.items():
            self._start(self.services[needed])
            if condition == DONE:
                self.wait_done(needed)
            else:
                self.wait_healthy(needed)
        container = self.containers[service.name] = Container(
            service, self._place, self._numbers[service.name]
        )
        container.start()
        if service.restarts == "unless-stopped":
            self._wanted.add(service.name)

    def _keep(self) -> None:
        """Start again what has ended by itself."""
        while not self._ended.wait(_WATCH_S):
            for name in sorted(self._wanted):
                container = self.containers[name]
                if not container.is_running and not self._ended.wait(AGAIN_S) and name in self._wanted:
                    container.wait(0)
                    container.start()
