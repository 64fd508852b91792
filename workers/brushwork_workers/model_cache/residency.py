"""Which models are on the device, which is loaded next, and which are removed for it. No thread, no clock.

The rules, and why:

- **Budget.** The loaded models and the one that is being loaded never take more than the budget together.
- **Minimum stay.** A model that was loaded for a job stays at least `stay_s`, and `STAY_LOADS` times as
  long as its load took. So for any mix of jobs, loading takes at most one part in `1 + STAY_LOADS` of the
  time.
- **Oldest request first.** The model that was requested the longest ago is loaded next. No other overtakes
  it, not even one that would fit beside: it might take the memory that the oldest waits for, again and
  again.
- **Draining.** If all models that may be removed are in use, the least recently used of them take no new jobs
  until their last job has ended. Jobs of models that stay go on meanwhile.
- **A long drain widens.** If a drain takes longer than a stay, all models that may be removed are drained,
  and the first that is empty is removed. So one long job does not hold up a model while others come and go.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

STAY_LOADS = 4
# A request that is not repeated for so long is forgotten: its job runs elsewhere.
FORGET_S = 120.0


@dataclass
class Resident:
    """A model on the device.

    Args:
        name: Name of the model.
        size_bytes: Bytes that it takes.
        stays_until_s: Earliest time of its removal.
        used_s: When a job last took or left it.
        num_users: Number of jobs that use it now.
    """

    name: str
    size_bytes: int
    stays_until_s: float
    used_s: float
    num_users: int = 0


@dataclass(frozen=True)
class Load:
    """Load this model now, after removing the `evicted` ones."""

    name: str
    evicted: tuple[Resident, ...] = ()


@dataclass(frozen=True)
class LoadLater:
    """Load nothing now. Plan again at `at_s` if it is given, and whenever a job has ended."""

    at_s: float | None = None


class Residency:
    """The models on one device, by name. All times are seconds of one monotonic clock.

    Args:
        budget_bytes: Bytes that the models may take together.
        stay_s: Minimum stay of a model that was loaded for a job.
    """

    def __init__(self, budget_bytes: int, stay_s: float) -> None:
        self.budget_bytes = budget_bytes
        self._stay_s = stay_s
        self._residents: dict[str, Resident] = {}
        self._sizes: dict[str, int] = {}
        self._first_requested_s: dict[str, float] = {}
        self._last_requested_s: dict[str, float] = {}
        self._draining: set[str] = set()
        self._draining_since_s: float | None = None

    @property
    def residents(self) -> tuple[Resident, ...]:
        """The models on the device."""
        return tuple(self._residents.values())

    @property
    def free_bytes(self) -> int:
        """The free part of the budget; negative if a model is larger than was estimated."""
        return self.budget_bytes - sum(resident.size_bytes for resident in self.residents)

    def take(self, name: str, now_s: float) -> bool:
        """Take a model for a job, if it is loaded and not draining. It counts as in use until `give_back`."""
        resident = self._residents.get(name)
        if resident is None or name in self._draining:
            return False
        resident.num_users += 1
        resident.used_s = now_s
        self.withdraw(name)
        return True

    def give_back(self, name: str, now_s: float) -> None:
        """End the use of a model by one job."""
        resident = self._residents[name]
        resident.num_users -= 1
        resident.used_s = now_s

    def request(self, name: str, size_bytes: int, now_s: float) -> float:
        """Record that a job requests a model that is not available.

        Returns:
            When the model was first requested. This is remembered while jobs repeat the request.
        """
        for other in [other for other, at_s in self._last_requested_s.items() if now_s - at_s > FORGET_S]:
            self.withdraw(other)
        # A measured size is better than an estimated one.
        self._sizes.setdefault(name, size_bytes)
        self._last_requested_s[name] = now_s
        return self._first_requested_s.setdefault(name, now_s)

    def plan(self, waiting: Collection[str], now_s: float) -> Load | LoadLater:
        """Decide what to load next.

        Args:
            waiting: Names of the models that jobs wait for; each was requested before.
            now_s: The current time.
        """
        absent = [name for name in waiting if name in self._first_requested_s and name not in self._residents]
        if not absent:
            self._set_draining(())
            return LoadLater()
        name = min(absent, key=lambda name: self._first_requested_s[name])
        missing_bytes = self._sizes[name] - self.free_bytes
        removable = [resident for resident in self.residents if resident.stays_until_s <= now_s]
        idle = [resident for resident in removable if not resident.num_users]
        evicted = _fewest(sorted(idle, key=lambda resident: resident.used_s), missing_bytes)
        if evicted is not None:
            # The caller may be another job than the one that starts the load. Until that one does, no job may
            # take the models that will be removed.
            self._set_draining(resident.name for resident in evicted)
            return Load(name, tuple(evicted))
        return self._drain_for(missing_bytes, removable, now_s)

    def begin(self, load: Load) -> None:
        """Start a planned load: the models that it evicts are no longer available."""
        self._set_draining(())
        for resident in load.evicted:
            del self._residents[resident.name]

    def cancel(self, load: Load) -> None:
        """Undo `begin`: nothing was removed, and nothing is loaded."""
        for resident in load.evicted:
            self._residents[resident.name] = resident

    def add(
        self, name: str, size_bytes: int, loading_s: float, now_s: float, *, is_requested: bool = True
    ) -> bool:
        """Add a loaded model.

        Args:
            name: Name of the model.
            size_bytes: Bytes that it takes, as measured.
            loading_s: Seconds that the load took.
            now_s: The current time.
            is_requested: Whether a job requested it. A model that no job requested may be removed at once.

        Returns:
            Whether it fits. If not, it was not added.
        """
        self._sizes[name] = size_bytes
        if size_bytes > self.free_bytes:
            return False
        stays_s = max(self._stay_s, STAY_LOADS * loading_s) if is_requested else 0.0
        self._residents[name] = Resident(name, size_bytes, now_s + stays_s, now_s)
        self.withdraw(name)
        return True

    def withdraw(self, name: str) -> None:
        """Forget the request for a model."""
        self._first_requested_s.pop(name, None)
        self._last_requested_s.pop(name, None)

    def size_bytes(self, name: str) -> int:
        """Bytes that a requested or loaded model takes."""
        return self._sizes[name]

    def fits_alone(self, name: str) -> bool:
        """Whether a requested model fits into the whole budget."""
        return self._sizes[name] <= self.budget_bytes

    def expected_wait_s(self, name: str, now_s: float) -> float:
        """Estimate the seconds until this model is loaded."""
        wanted_s = self._first_requested_s.get(name, now_s)
        num_before = sum(at_s < wanted_s for at_s in self._first_requested_s.values())
        stays = [max(0.0, resident.stays_until_s - now_s) for resident in self.residents]
        return min(stays, default=0.0) + num_before * self._stay_s

    def _drain_for(self, missing_bytes: int, removable: list[Resident], now_s: float) -> LoadLater:
        """Drain models for the next load, if enough of them are removable; else return when they will be."""
        if sum(resident.size_bytes for resident in removable) < missing_bytes:
            self._set_draining(())
            return LoadLater(self._removable_at_s(missing_bytes))
        if self._draining_since_s is None:
            self._draining_since_s = now_s
        widen_at_s = self._draining_since_s + self._stay_s
        if now_s >= widen_at_s:
            self._set_draining(resident.name for resident in removable)
            return LoadLater()
        order = sorted(removable, key=self._rank)
        self._set_draining(resident.name for resident in _fewest(order, missing_bytes) or ())
        return LoadLater(widen_at_s)

    def _rank(self, resident: Resident) -> tuple[bool, bool, float]:
        # Models that drain already come first. Else two might drain in turns, and neither become empty.
        return resident.name not in self._draining, resident.num_users > 0, resident.used_s

    def _removable_at_s(self, missing_bytes: int) -> float | None:
        """When enough bytes will be removable; None if there are not so many."""
        for resident in sorted(self.residents, key=lambda resident: resident.stays_until_s):
            missing_bytes -= resident.size_bytes
            if missing_bytes <= 0:
                return resident.stays_until_s
        return None

    def _set_draining(self, names: Iterable[str]) -> None:
        self._draining = set(names)
        if not self._draining:
            self._draining_since_s = None


def _fewest(order: list[Resident], missing_bytes: int) -> list[Resident] | None:
    """The first of these that together take so many bytes, without superfluous ones; None if too few."""
    chosen: list[Resident] = []
    for resident in order:
        if sum(each.size_bytes for each in chosen) >= missing_bytes:
            break
        chosen.append(resident)
    spare = sum(each.size_bytes for each in chosen) - missing_bytes
    if spare < 0:
        return None
    for resident in reversed(chosen):
        if resident.size_bytes <= spare:
            chosen.remove(resident)
            spare -= resident.size_bytes
    return chosen
