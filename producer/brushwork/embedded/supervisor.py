"""Keeps the parts of the stack running, restarts one that died, and stops them in order."""

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
class _Charge:
    """A part in the supervisor's care."""

    part: Part
    child: Child | None = None
    deaths: int = 0
    restart_at: float | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))


class PartFailed(MachineError):
    """A part of the stack died again and again before the stack was ready."""

    code = "part_failed"


class Supervisor:
    """Runs parts. All methods but `request_stop` belong to one thread.

    Args:
        say: Called with a part's name and a line of its output, from any thread.
        backoff: Pauses before restarts.
        kept_fds: Open files that every child keeps open for as long as it lives.
        on_death: Called with a part that has died, before it is started again.
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
        self._charges: dict[str, _Charge] = {}
        # Children that ended, and wishes to stop. Its put is safe inside a signal handler.
        self._events: SimpleQueue[Child | Stop] = SimpleQueue()
        self._lines = Lock()
        self._hurried = False

    def start(self, part: Part) -> None:
        """Start a part and keep it running from now on."""
        self._charges[part.name] = _Charge(part)
        self._start(self._charges[part.name])

    def pids(self) -> dict[str, int]:
        """The process ids of the running parts, by name."""
        children = [charge.child for charge in self._charges.values() if charge.child]
        return {child.part.name: child.pid for child in children}

    def request_stop(self) -> None:
        """Make `run` return; during `stop`, cut short what is left of the grace times."""
        self._events.put("stop")

    def run(self, until: Callable[[], bool] | None = None, *, max_deaths: int | None = None) -> bool:
        """Keep the parts running until `until` holds, or for ever.

        Args:
            until: Looked at many times a second.
            max_deaths: Give up when a part has died so often in a row.

        Returns:
            Whether `until` held; False means that a stop was asked for.

        Raises:
            PartFailed: A part used up `max_deaths`.
        """
        while until is None or not until():
            event = self._next_event(LOOK_S if until else None)
            if event == "stop":
                return False
            if event is not None:
                self._bury(event, max_deaths)
            self._restart_due()
        return True

    def stop(self) -> None:
        """Stop all parts, the last started first, each within its grace time."""
        for charge in reversed(self._charges.values()):
            if charge.child is not None:
                self._stop(charge.child)
            charge.child, charge.restart_at = None, None

    def _start(self, charge: _Charge) -> None:
        charge.restart_at = None
        charge.child = Child(
            charge.part, on_line=self._heard, on_end=self._events.put, kept_fds=self._kept_fds
        )

    def _heard(self, name: str, line: str) -> None:
        with self._lines:
            self._charges[name].last_lines.append(line)
            self._say(name, line)

    def _next_event(self, at_most_s: float | None) -> Child | Stop | None:
        due = [charge.restart_at for charge in self._charges.values() if charge.restart_at is not None]
        pauses = [max(0.0, moment - time.monotonic()) for moment in due]
        if at_most_s is not None:
            pauses.append(at_most_s)
        try:
            return self._events.get(timeout=min(pauses) if pauses else None)
        except Empty:
            return None

    def _bury(self, child: Child, max_deaths: int | None) -> None:
        charge = self._charges[child.part.name]
        if charge.child is not child:
            return
        charge.child = None
        self._on_death(child.part)
        charge.deaths = 1 if child.lived_s >= self._backoff.stable_s else charge.deaths + 1
        if max_deaths is not None and charge.deaths >= max_deaths:
            raise PartFailed(
                f"The {child.part.name} ended with status {child.returncode} each of {charge.deaths} times.",
                hint="Its last words:\n" + "\n".join(charge.last_lines),
            )
        pause_s = self._backoff.pause_s(charge.deaths)
        charge.restart_at = time.monotonic() + pause_s
        self._heard(child.part.name, f"ended with status {child.returncode}; starting again in {pause_s:g} s")

    def _restart_due(self) -> None:
        now = time.monotonic()
        for charge in self._charges.values():
            if charge.restart_at is not None and charge.restart_at <= now:
                self._start(charge)

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
