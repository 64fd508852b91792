"""The Prometheus text format: metrics of one process, and the merged metrics of several processes."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from brushwork_core.telemetry.labels import trained_together

# Creation times. They would double the samples, and as families of their own they are not valid OpenMetrics.
_CREATED = "_created"


class MetricFamilies(Collector):
    """A collector of metric families that are collected already.

    Args:
        families: In the order of the output.
    """

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._families


def text_of(collector: Collector) -> str:
    """Return the metrics of a collector in the Prometheus text format."""
    return generate_latest(MetricFamilies(_without_creation_times(collector.collect()))).decode()


def families_of(text: str) -> list[Metric]:
    """Return the metrics of a text in the Prometheus text format; nothing if it cannot be parsed."""
    try:
        return list(text_string_to_metric_families(text))
    # A text of another version may not be valid for this parser.
    except (ValueError, KeyError, IndexError):
        return []


def merged(own: Iterable[Metric], texts: Mapping[str, str]) -> MetricFamilies:
    """Merge metrics, so that each family occurs once. Samples of a text get the label `process`.

    Args:
        own: Families that do not belong to a process.
        texts: Metrics by process, in the Prometheus text format. A text that cannot be parsed is left out.
    """
    families: dict[str, Metric] = {family.name: family for family in _without_creation_times(own)}
    for process, text in texts.items():
        for family in families_of(text):
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            # During an upgrade, two versions may use one name with different types.
            if known.type == family.type:
                known.samples += _of_process(process, family.samples)
    return MetricFamilies(families[name] for name in sorted(families))


def labels_of(sample: Sample) -> tuple[str, frozenset[tuple[str, str]]]:
    """Return what identifies a series: the name of the sample and its labels."""
    return sample.name, frozenset(sample.labels.items())


def _of_process(process: str, samples: Iterable[Sample]) -> Iterable[Sample]:
    """Add the label `process`. Samples whose labels become equal are added up."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], Sample] = {}
    for sample in samples:
        labels = {**sample.labels, "process": process}
        # Workers of older versions report each trained model as a model of its own.
        if "model" in labels:
            labels["model"] = trained_together(labels["model"])
        labelled = sample._replace(labels=labels)
        equal = found.get(labels_of(labelled))
        found[labels_of(labelled)] = labelled._replace(value=sample.value + (equal.value if equal else 0.0))
    return found.values()


def _without_creation_times(families: Iterable[Metric]) -> Iterator[Metric]:
    for family in families:
        kept = Metric(family.name, family.documentation, family.type, family.unit)
        kept.samples = [sample for sample in family.samples if not sample.name.endswith(_CREATED)]
        yield kept
