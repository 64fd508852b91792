"""Metrics as text, and the texts of several processes as one."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

# When each series began: a sample more for each, and as a family of its own it is no OpenMetrics.
_BEGAN = "_created"


class MetricFamilies(Collector):
    """Families of metrics, already collected.

    Args:
        families: In the order in which they are shown.
    """

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        """As `Collector`."""
        yield from self._families


def text_of(collector: Collector) -> str:
    """What it collects, in Prometheus' text format."""
    return generate_latest(MetricFamilies(_without_beginnings(collector.collect()))).decode()


def merged(own: Iterable[Metric], texts: Mapping[str, str]) -> MetricFamilies:
    """All in one: each family once, each sample of a text with the label `process`.

    Args:
        own: Families that stand for no single process.
        texts: By process, in Prometheus' text format; one that can't be read is left out.
    """
    families: dict[str, Metric] = {family.name: family for family in _without_beginnings(own)}
    for process, text in texts.items():
        for family in _read(text):
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            # During an upgrade two versions may count the same name differently.
            if known.type == family.type:
                known.samples += [
                    sample._replace(labels={**sample.labels, "process": process}) for sample in family.samples
                ]
    return MetricFamilies(families[name] for name in sorted(families))


def _read(text: str) -> list[Metric]:
    try:
        return list(text_string_to_metric_families(text))
    # What a text of another version makes the parser stumble over.
    except (ValueError, KeyError, IndexError):
        return []


def _without_beginnings(families: Iterable[Metric]) -> Iterator[Metric]:
    for family in families:
        kept = Metric(family.name, family.documentation, family.type, family.unit)
        kept.samples = [sample for sample in family.samples if not sample.name.endswith(_BEGAN)]
        yield kept
