"""What a load has measured."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """Answers by status, the seconds that each good one took, and the seconds of the load."""

    latencies: array[float] = field(default_factory=lambda: array("d"))
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, status: int, latency: float) -> None:
        self.statuses[status] += 1
        if 200 <= status < 300:
            self.latencies.append(latency)

    @property
    def good(self) -> int:
        return len(self.latencies)

    @property
    def failed(self) -> int:
        return sum(self.statuses.values()) - self.good

    def values(self) -> dict[str, float]:
        """Return the figures by name: a rate, milliseconds, and how many answers were not 2xx."""
        return {
            "rate": self.good / self.seconds if self.seconds else 0.0,
            "count": self.good,
            "failed": self.failed,
            **{f"status_{s}": n for s, n in sorted(self.statuses.items()) if not 200 <= s < 300},
            **quantiles(self.latencies),
        }


def quantiles(seconds: array[float] | list[float]) -> dict[str, float]:
    """Return p50, p99, p99.9 and the maximum in milliseconds."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    shares = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999}
    found = {name: ordered[math.ceil(len(ordered) * q) - 1] * 1000 for name, q in shares.items()}
    return {**found, "max_ms": ordered[-1] * 1000}
