"""Keep the parts of the stack running: restart a part that ended, and stop all parts in order."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Literal

from brushwork_core.timing.backoff import Backoff
from brushwork_schemas.errors import MachineError

from brushwork.embedded.child import Child, Part

LOOK_S = 0.1
HURRIED_GRACE_S = 1.0
KEPT_LINES = 8
Stop = Literal["stop"]


@dataclass(frozen=True)
class RestartBackoff(Backoff):
    """Pauses before a part that died is started again.

    Args:
        first_s: Seconds after the first death.
        longest_s: Upper limit of a pause in seconds.
        stable_s: A part that ran for so many seconds starts again with the first pause.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    stable_s: float = 60.0


@dataclass
class _SupervisedPart:
    """A part and its running process."""

    part: Part
    child: Child | None = None
    deaths: int = 0
    restart_at: float | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))


class PartFailed(MachineError):
    """A part ended several times in a row before the stack was ready.

    Args:
        message: Which part, and how often it failed.
        status: Its last exit status; None if it is not known.
        hint: Its last output.
    """

    code = "part_failed"

    def __init__(self, message: str, *, status: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class Supervisor:
    """Runs parts. Call all methods except `request_stop` from one thread.

    Args:
        say: Called with the name of a part and a line of its output, from any thread.
        backoff: Pauses before restarts.
        kept_fds: Open files that every child inherits and keeps open.
        on_death: Called with a part that has ended, before it is restarted.
    """

    def __init__(
        self,
        say: Callable[[str, str], None],
        *,
        on_death: Callable[[Part], None] = lambda part: None,
        backoff: RestartBackoff | None = None,
        kept_fds: Sequence[int] = (),
    ) -> None:
        self._say = say
        self._backoff = backoff or RestartBackoff()
        self._kept_fds = kept_fds
        self._on_death = on_death
        self._parts: dict[str, _SupervisedPart] = {}
        # Ended children, and requests to stop. `put` is safe in a signal handler.
        self._events: SimpleQueue[Child | Stop] = SimpleQueue()
        self._lines = Lock()
        self._hurried = False

    def start(self, part: Part) -> None:
        """Start a part, and keep it running from now on."""
        self._parts[part.name] = _SupervisedPart(part)
        self._start(self._parts[part.name])

    def pids(self) -> dict[str, int]:
        """Return the process ids of the running parts, by name."""
        children = [supervised.child for supervised in self._parts.values() if supervised.child]
        return {child.part.name: child.pid for child in children}

    def request_stop(self) -> None:
        """Make `run` return. During `stop`, shorten the grace times."""
        self._events.put("stop")

    def run(self, until: Callable[[], bool] | None = None, *, max_deaths: int | None = None) -> bool:
        """Keep the parts running until `until` returns True, or for ever.

        Args:
            until: Called several times a second.
            max_deaths: Number of failures of a part in a row after which to give up.

        Returns:
            True if `until` returned True; False after `request_stop`.

        Raises:
            PartFailed: A part has ended `max_deaths` times in a row.
        """
        while until is None or not until():
            event = self._next_event(LOOK_S if until else None)
            if event == "stop":
                return False
            if event is not None:
                self._handle_end(event, max_deaths)
            self._restart_due()
        return True

    def stop(self) -> None:
        """Stop all parts in reverse order, each within its grace time."""
        for supervised in reversed(self._parts.values()):
            if supervised.child is not None:
                self._stop(supervised.child)
            supervised.child, supervised.restart_at = None, None

    def _start(self, supervised: _SupervisedPart) -> None:
        supervised.restart_at = None
        supervised.child = Child(
            supervised.part, on_line=self._on_line, on_end=self._events.put, kept_fds=self._kept_fds
        )

    def _on_line(self, name: str, line: str) -> None:
        with self._lines:
            self._parts[name].last_lines.append(line)
            self._say(name, line)

    def _next_event(self, at_most_s: float | None) -> Child | Stop | None:
        due = [
            supervised.restart_at for supervised in self._parts.values() if supervised.restart_at is not None
        ]
        pauses = [max(0.0, moment - time.monotonic()) for moment in due]
        if at_most_s is not None:
            pauses.append(at_most_s)
        try:
            return self._events.get(timeout=min(pauses) if pauses else None)
        except Empty:
            return None

    def _handle_end(self, child: Child, max_deaths: int | None) -> None:
        supervised = self._parts[child.part.name]
        if supervised.child is not child:
            return
        supervised.child = None
        self._on_death(child.part)
        supervised.deaths = 1 if child.lived_s >= self._backoff.stable_s else supervised.deaths + 1
        if max_deaths is not None and supervised.deaths >= max_deaths:
            raise PartFailed(
                f"The {child.part.name} failed {supervised.deaths} times, the last time with exit status "
                f"{child.returncode}.",
                status=child.returncode,
                hint="Its last output:\n" + "\n".join(supervised.last_lines),
            )
        pause_s = self._backoff.pause_s(supervised.deaths)
        supervised.restart_at = time.monotonic() + pause_s
        self._on_line(child.part.name, f"ended with status {child.returncode}; restarting in {pause_s:g} s")

    def _restart_due(self) -> None:
        now = time.monotonic()
        for supervised in self._parts.values():
            if supervised.restart_at is not None and supervised.restart_at <= now:
                self._start(supervised)

    def _stop(self, child: Child) -> None:
        child.terminate()
        grace_s = HURRIED_GRACE_S if self._hurried else child.part.grace_s
        deadline = time.monotonic() + grace_s
        while child.returncode is None:
            try:
                event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                child.kill()
                deadline = time.monotonic() + HURRIED_GRACE_S
                continue
            if event == "stop" and not self._hurried:
                self._hurried = True
                deadline = time.monotonic() + HURRIED_GRACE_S
