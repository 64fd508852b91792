"""A recorded run: the values of each series at equal intervals, and the hour that it is repeated for."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Self

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

FILE = Path(__file__).with_name("calm_run.json")
RULES = Path(__file__).parents[2] / "docs" / "alerts" / "brushwork.rules.yml"
EVERY_S = 15
HOUR_S = 3600
NAME = re.compile(r"\b(?:brushwork|process)_[a-z0-9_]+")
# Names that end so are counters; a histogram has no other parts that the rules read.
COUNTER = re.compile(r"_(?:total|bucket|count|sum)$")
TIMESTAMP = re.compile(r"_time_seconds$|_timestamp_seconds$")
Value = float | None


def read_by_rules() -> set[str]:
    """The metrics that the alert rules read."""
    return set(NAME.findall(RULES.read_text("utf-8")))


def series_of(text: str, names: set[str], began: float) -> dict[str, float]:
    """The samples of a scrape that have one of the names. Timestamps become seconds since the beginning."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in names:
                is_timestamp = TIMESTAMP.search(sample.name)
                found[_written(sample)] = round(sample.value - (began if is_timestamp else 0), 4)
    return found


def _written(sample: Sample) -> str:
    labels = {"job": "brushwork", "instance": "gateway:8600", **sample.labels}
    return f"{sample.name}{{{','.join(f'{name}={json.dumps(labels[name])}' for name in sorted(labels))}}}"


@dataclass(frozen=True)
class Recording:
    """A run.

    Args:
        version: The version of brushwork that ran.
        series: Values of each series, one for each scrape; None where a scrape did not have it.
    """

    version: str
    series: Mapping[str, Sequence[Value]]

    @classmethod
    def of(cls, version: str, scrapes: Sequence[Mapping[str, float]]) -> Self:
        """Turn scrapes into series."""
        names = sorted({name for scrape in scrapes for name in scrape})
        return cls(version, {name: [scrape.get(name) for scrape in scrapes] for name in names})

    @classmethod
    def load(cls) -> Self:
        """Read the file."""
        return cls(**json.loads(FILE.read_text("utf-8")))

    def save(self) -> None:
        """Write the file, one series a line."""
        lines = ",\n".join(
            f"  {json.dumps(name)}: {json.dumps(list(values))}" for name, values in self.series.items()
        )
        FILE.write_text(f'{{"version": {json.dumps(self.version)}, "series": {{\n{lines}\n}}}}\n', "utf-8")

    @property
    def num_scrapes(self) -> int:
        """Scrapes of the run."""
        return len(next(iter(self.series.values())))

    def hour(self) -> dict[str, str]:
        """The values of an hour, in the notation of `promtool test rules`.

        The run is repeated: gauges have the same values again, and counters and times go on.
        """
        return {name: _notation(list(self._repeated(name, values))) for name, values in self.series.items()}

    def _repeated(self, name: str, values: Sequence[Value]) -> Iterator[Value]:
        metric = name.partition("{")[0]
        known = [value for value in values if value is not None]
        added = 0.0
        for index in range(HOUR_S // EVERY_S + 1):
            number, place = divmod(index, len(values))
            if metric == "process_start_time_seconds":
                added = 0.0
            elif TIMESTAMP.search(metric):
                added = float(number * len(values) * EVERY_S)
            elif COUNTER.search(metric):
                added = number * (known[-1] - known[0])
            value = values[place]
            # A counter that begins during the run is there from the second time on.
            if value is None and number and COUNTER.search(metric):
                value = known[0]
            yield None if value is None else round(value + added, 4)


def _notation(values: Sequence[Value]) -> str:
    parts = []
    for value, equal in groupby(values):
        number = len(list(equal))
        shown = "_" if value is None else f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
        parts.append(shown if number == 1 else f"_x{number}" if value is None else f"{shown}x{number - 1}")
    return " ".join(parts)
