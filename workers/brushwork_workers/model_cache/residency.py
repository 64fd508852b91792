"""Which models are on the device, which comes next, and which goes for it. No thread, no clock, no torch.

The rules, and why:

- **A budget.** What is loaded, and what is being loaded, never takes more than the budget together.
- **A stay.** What a job had loaded stays for a while: at least `stay_s`, and `STAY_LOADS` times as long as it
  took to load. So however the jobs are mixed, a place on the device is given away at most once in that time,
  and loading takes at most one part in `1 + STAY_LOADS` of it.
- **Oldest first.** The model that was asked for the longest ago is next, and none overtakes it, not even one
  that would fit beside: it might take the room that the oldest waits for, again and again.
- **Drained, not broken off.** If those that may go are all in use, the least recently used of them take no
  new jobs until the last one has left. Jobs of models that stay go on meanwhile.
- **A drain that lasts widens.** One long job is not to hold up a model while others come and go: if a drain
  takes longer than a stay, all that may go are drained, and the first that is empty goes.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

STAY_LOADS = 4
# Nobody has asked for the model for so long: whoever did has gone elsewhere.
FORGET_S = 120.0


@dataclass
class Resident:
    """A model on the device.

    Args:
        name: Its name.
        size_bytes: What it takes.
        stays_until_s: It does not go before.
        used_s: When it was borrowed last.
        num_users: Jobs that have it now.
    """

    name: str
    size_bytes: int
    stays_until_s: float
    used_s: float
    num_users: int = 0


@dataclass(frozen=True)
class Load:
    """This model is to be loaded now, once these have gone."""

    name: str
    gone: tuple[Resident, ...] = ()


@dataclass(frozen=True)
class LoadLater:
    """Nothing is to be loaded now; look again then, or when a job has left. None: there is no such time."""

    at_s: float | None = None


class Residency:
    """The models on one device, by name. Times are seconds of any one clock.

    Args:
        budget_bytes: What they may take together.
        stay_s: How long one stays at least that a job had loaded.
    """

    def __init__(self, budget_bytes: int, stay_s: float) -> None:
        self.budget_bytes = budget_bytes
        self._stay_s = stay_s
        self._residents: dict[str, Resident] = {}
        self._sizes: dict[str, int] = {}
        self._wanted: dict[str, float] = {}
        self._asked: dict[str, float] = {}
        self._draining: set[str] = set()
        self._drains_since_s: float | None = None

    @property
    def residents(self) -> tuple[Resident, ...]:
        """The models on the device."""
        return tuple(self._residents.values())

    @property
    def free_bytes(self) -> int:
        """What is left of the budget; below 0 if a model turned out to be larger than it was said to be."""
        return self.budget_bytes - sum(resident.size_bytes for resident in self.residents)

    def take(self, name: str, now_s: float) -> bool:
        """Whether a job may have this model now; if so, it counts as in use until `give_back`."""
        resident = self._residents.get(name)
        if resident is None or name in self._draining:
            return False
        resident.num_users += 1
        resident.used_s = now_s
        self.give_up(name)
        return True

    def give_back(self, name: str, now_s: float) -> None:
        """A job that had taken it has left it."""
        resident = self._residents[name]
        resident.num_users -= 1
        resident.used_s = now_s

    def want(self, name: str, size_bytes: int, now_s: float) -> float:
        """Note that a job asks for a model that it can't have now; since when one has asked for it.

        That is remembered though the job goes elsewhere, as long as it or others come back to ask.
        """
        for other in [other for other, at_s in self._asked.items() if now_s - at_s > FORGET_S]:
            self.give_up(other)
        # What it was found to take is better than what it was said to.
        self._sizes.setdefault(name, size_bytes)
        self._asked[name] = now_s
        return self._wanted.setdefault(name, now_s)

    def plan(self, waiting: Collection[str], now_s: float) -> Load | LoadLater:
        """What is to be loaded next.

        Args:
            waiting: Models for which jobs wait; each was wanted before.
            now_s: The time.
        """
        absent = [name for name in waiting if name in self._wanted and name not in self._residents]
        if not absent:
            self._drain(())
            return LoadLater()
        name = min(absent, key=lambda name: self._wanted[name])
        lacking = self._sizes[name] - self.free_bytes
        may_go = [resident for resident in self.residents if resident.stays_until_s <= now_s]
        idle = [resident for resident in may_go if not resident.num_users]
        gone = _fewest(sorted(idle, key=lambda resident: resident.used_s), lacking)
        if gone is not None:
            # Who asks need not be the one for whom it is loaded: until that one begins, nobody takes them.
            self._drain(resident.name for resident in gone)
            return Load(name, tuple(gone))
        return self._prepare(lacking, may_go, now_s)

    def begin(self, load: Load) -> None:
        """What is to go has gone, and nobody can take it any more."""
        self._drain(())
        for resident in load.gone:
            del self._residents[resident.name]

    def call_off(self, load: Load) -> None:
        """It is not loaded after all, and nothing has gone."""
        for resident in load.gone:
            self._residents[resident.name] = resident

    def settle(
        self, name: str, size_bytes: int, loading_s: float, now_s: float, *, asked: bool = True
    ) -> bool:
        """The model is loaded, and turned out to take so much; whether that fits, and it is resident now.

        Args:
            name: Which.
            size_bytes: What it takes.
            loading_s: How long loading took.
            now_s: The time.
            asked: Whether a job had it loaded; one that nobody has asked for may go at once.
        """
        self._sizes[name] = size_bytes
        if size_bytes > self.free_bytes:
            return False
        stays_s = max(self._stay_s, STAY_LOADS * loading_s) if asked else 0.0
        self._residents[name] = Resident(name, size_bytes, now_s + stays_s, now_s)
        self.give_up(name)
        return True

    def give_up(self, name: str) -> None:
        """Nobody asks for this model any more."""
        self._wanted.pop(name, None)
        self._asked.pop(name, None)

    def size_bytes(self, name: str) -> int:
        """What a model takes that is or was wanted."""
        return self._sizes[name]

    def fits_alone(self, name: str) -> bool:
        """Whether a wanted model fits if nothing else is there."""
        return self._sizes[name] <= self.budget_bytes

    def pause_s(self, name: str, now_s: float) -> float:
        """About how long it takes until this model may come to be loaded, if nobody gives up."""
        wanted_s = self._wanted.get(name, now_s)
        num_before = sum(at_s < wanted_s for at_s in self._wanted.values())
        stays = [max(0.0, resident.stays_until_s - now_s) for resident in self.residents]
        return min(stays, default=0.0) + num_before * self._stay_s

    def _prepare(self, lacking: int, may_go: list[Resident], now_s: float) -> LoadLater:
        """Have those drained that are to go, if there are enough that may; else say when there will be."""
        if sum(resident.size_bytes for resident in may_go) < lacking:
            self._drain(())
            return LoadLater(self._enough_s(lacking))
        if self._drains_since_s is None:
            self._drains_since_s = now_s
        widens_s = self._drains_since_s + self._stay_s
        if now_s >= widens_s:
            self._drain(resident.name for resident in may_go)
            return LoadLater()
        order = sorted(may_go, key=self._rank)
        self._drain(resident.name for resident in _fewest(order, lacking) or ())
        return LoadLater(widens_s)

    def _rank(self, resident: Resident) -> tuple[bool, bool, float]:
        # Who is drained already comes first: else two in use might be drained in turns, and neither go.
        return resident.name not in self._draining, resident.num_users > 0, resident.used_s

    def _enough_s(self, lacking: int) -> float | None:
        """When so much will be free to go; None: never, so much is not there."""
        for resident in sorted(self.residents, key=lambda resident: resident.stays_until_s):
            lacking -= resident.size_bytes
            if lacking <= 0:
                return resident.stays_until_s
        return None

    def _drain(self, names: Iterable[str]) -> None:
        self._draining = set(names)
        if not self._draining:
            self._drains_since_s = None


def _fewest(order: list[Resident], lacking: int) -> list[Resident] | None:
    """Of these, the first ones that together take so much, without any that need not go; None: too little."""
    chosen: list[Resident] = []
    for resident in order:
        if sum(each.size_bytes for each in chosen) >= lacking:
            break
        chosen.append(resident)
    spare = sum(each.size_bytes for each in chosen) - lacking
    if spare < 0:
        return None
    for resident in reversed(chosen):
        if resident.size_bytes <= spare:
            chosen.remove(resident)
            spare -= resident.size_bytes
    return chosen
