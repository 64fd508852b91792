"""Counters that continue after a restart.

A process starts to count at zero. Prometheus detects that a counter has become smaller. But it misses what
was counted between its last scrape and the end of the process, and it misses the restart if the new process
has counted as far. So a process adds to its own counters what its predecessor had counted.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import Metric

from brushwork_core.telemetry.exposition import families_of, labels_of

COUNTING = ("counter", "histogram")
# The CPU time and other metrics of the operating system belong to one process.
_OF_PROCESS = "process_"


class CarriedCounters:
    """The counters and histograms that a predecessor had counted.

    Args:
        before: Metrics of the predecessor in the Prometheus text format; empty if there was none.
        but: Metrics of this process in the same format that were reported elsewhere; they are subtracted.
    """

    def __init__(self, before: str = "", but: str = "") -> None:
        self._families = _counting(before)
        for name, family in _counting(but).items():
            family.samples = [sample._replace(value=-sample.value) for sample in family.samples]
            earlier = self._families.get(name)
            self._families[name] = family if earlier is None else _sum(family, earlier)

    def added_to(self, families: Iterable[Metric]) -> Iterator[Metric]:
        """Yield the families with these counters added, then those that only the predecessor had."""
        rest = dict(self._families)
        for family in families:
            earlier = rest.pop(family.name, None)
            yield family if earlier is None or earlier.type != family.type else _sum(family, earlier)
        yield from rest.values()


def _counting(text: str) -> dict[str, Metric]:
    return {
        family.name: family
        for family in families_of(text)
        if family.type in COUNTING and not family.name.startswith(_OF_PROCESS)
    }


def _sum(family: Metric, earlier: Metric) -> Metric:
    rest = _values([earlier])
    total = Metric(family.name, family.documentation, family.type)
    total.samples = [
        sample._replace(value=sample.value + rest.pop(labels_of(sample), 0.0)) for sample in family.samples
    ]
    total.samples += [sample for sample in earlier.samples if labels_of(sample) in rest]
    return total


def _values(families: Iterable[Metric]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {labels_of(sample): sample.value for family in families for sample in family.samples}
