"""Metrics as Prometheus reads them."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as text_families

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.metrics_core import Metric

OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@dataclass(frozen=True)
class Scraped:
    """The answer to one scrape."""

    families: Mapping[str, Metric]

    @classmethod
    def of(cls, families: Iterable[Metric]) -> Self:
        """Return families by their names, none of which may come twice."""
        found = list(families)
        names = [each.name for each in found]
        assert len(names) == len(set(names)), names
        return cls(dict(zip(names, found, strict=True)))

    @classmethod
    def read(cls, text: str, content_type: str) -> Self:
        """Read a text by its content type."""
        is_open = content_type.startswith("application/openmetrics-text")
        return cls.of((open_families if is_open else text_families)(text))

    def value(self, sample: str, **labels: str) -> float:
        """Return the sum of all samples of this name that have these labels, 0 without one."""
        return sum(
            value for given, value in self.samples(sample) if labels.items() <= given.items()
        )

    def samples(self, sample: str) -> list[tuple[Mapping[str, str], float]]:
        """Return the labels and values of all samples of this name."""
        return [
            (each.labels, each.value)
            for family in self.families.values()
            for each in family.samples
            if each.name == sample
        ]

    def labels(self, sample: str, label: str) -> set[str]:
        """Return the values that a label has."""
        return {labels[label] for labels, _ in self.samples(sample)}

    def series(self) -> int:
        """Return how many series there are."""
        return sum(len(family.samples) for family in self.families.values())


def scrape(url: str, accept: str = "", seconds: float = 10.0) -> Scraped:
    """Return the metrics of a process at the root of whose address is `url`."""
    request = urllib.request.Request(f"{url}/metrics", headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        return Scraped.read(answer.read().decode(), answer.headers["Content-Type"])
