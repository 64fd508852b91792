"""What an attack is, and what it costs: memory, CPU, and the time of an innocent caller."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from tests.attacks.attacked import INNOCENT, Attacked, Usage
from tests.attacks.innocent import Innocent, Seen, watched

MOST_GROWN_BYTES = 64 * 2**20
# An innocent request may take so many times as long as in a calm time. Less than the noise does not count.
MOST_SLOWER = 3.0
NOISE_S = 0.02


@dataclass(frozen=True)
class Scene:
    """Where and how long an attack is run.

    Args:
        gateway: What is attacked.
        seconds: How long, about.
        scale: How much of the attack's full size is used, from 0 to 1.
    """

    gateway: Attacked
    seconds: float
    scale: float = 1.0

    def scaled(self, number: int) -> int:
        """Return a number of connections or bytes, in the size of this scene."""
        return max(1, round(number * self.scale))


@dataclass(frozen=True)
class Attack:
    """An attack on the gateway.

    Args:
        id: As in the table of attacks, such as A1.
        title: What is done, in a few words.
        run: Runs it, and returns the number of bytes that it has sent.
        environment: Settings of the gateway that the full form needs.
        max_files: Most files that the gateway may open, in the full form.
        with_decoders: Whether the memory of the processes that decode pictures counts.
        measure: Runs and measures an attack that is not on the gateway; `measured` by default.
    """

    id: str
    title: str
    run: Callable[[Scene], int]
    environment: Mapping[str, str] = field(default_factory=dict)
    max_files: int | None = None
    with_decoders: bool = True
    measure: "Callable[[Attack, Scene], Measured] | None" = None


@dataclass(frozen=True)
class Measured:
    """What an attack has cost.

    Args:
        attack: The attack.
        num_bytes: Bytes that the attacker has sent.
        grown_bytes: Growth of the gateway's memory at its most.
        cpu_s: CPU time of the gateway during the attack, with that of the innocent requests.
        calm: What the innocent caller saw before.
        during: What it saw during the attack.
        goes_on: Whether the same process answers afterwards.
    """

    attack: Attack
    num_bytes: int
    grown_bytes: int
    cpu_s: float
    calm: Seen
    during: Seen
    goes_on: bool

    @property
    def must_hold(self) -> list[str]:
        """The targets that were missed, of those that hold on a busy machine too."""
        found = [f"innocent request failed: {each}" for each in self.during.failures]
        if not self.during.took_s:
            found.append("no innocent request was answered")
        if self.grown_bytes > MOST_GROWN_BYTES:
            found.append(f"memory grew by {self.grown_bytes / 2**20:.0f} MiB")
        if not self.goes_on:
            found.append("the gateway had to be restarted")
        return found

    @property
    def broken(self) -> list[str]:
        """The targets that were missed."""
        is_slow = self.during.p99_s > max(MOST_SLOWER * self.calm.p99_s, self.calm.p99_s + NOISE_S)
        slow = [f"p99 {self.during.p99_s:.3f} s, calm {self.calm.p99_s:.3f} s"] if is_slow else []
        return self.must_hold + slow


def measured(attack: Attack, scene: Scene) -> Measured:
    """Run an attack, and return what it cost."""
    if attack.measure is not None:
        return attack.measure(attack, scene)
    gateway = scene.gateway
    assert gateway.process is not None
    key = gateway.keys[INNOCENT]
    calm = watched(gateway.address, key, scene.seconds)
    usage = Usage(gateway.process.pid, with_decoders=attack.with_decoders)
    with usage, Innocent(gateway.address, key) as innocent:
        num_bytes = attack.run(scene)
    return Measured(
        attack, num_bytes, usage.grown_bytes, usage.cpu_s, calm, innocent.seen, goes_on=goes_on(gateway)
    )


def goes_on(gateway: Attacked) -> bool:
    """Return whether the process of the gateway still answers."""
    assert gateway.process is not None
    try:
        is_there = httpx.get(f"{gateway.address}/healthz", timeout=30).is_success
    except httpx.HTTPError:
        return False
    return is_there and gateway.process.poll() is None
