"""What has run the modules of one job, for the provenance of its result."""

from collections.abc import Mapping


class EnginesUsed:
    """Collects what has run each module that has an engine. Used by the thread of the job alone."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def add(self, names: Mapping[str, set[str]]) -> None:
        """Add what has run the modules of one call.

        Args:
            names: Names of engines, by module.
        """
        for module, engines in names.items():
            self._names.setdefault(module, set()).update(engines)

    def has(self, engine: str) -> bool:
        """Return whether an engine has run a module."""
        return any(engine in engines for engines in self._names.values())

    @property
    def by_module(self) -> dict[str, str]:
        """The names of what has run each module, joined by a comma if there were several."""
        return {module: ", ".join(sorted(engines)) for module, engines in sorted(self._names.items())}
