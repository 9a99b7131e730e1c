"""Judges a hostile run: did healthy work go on beside the attacks, and the processes live?"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MIB: Final = 1024 * 1024
SLOWER: Final = 2.0
"""How many times as long the 99th percentile may be beside attacks."""

ENOUGH: Final = 100
"""Executions from which on there is a 99th percentile that is not just the slowest one."""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that this share of the values does not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[math.ceil(share * len(values)) - 1]


@dataclass(frozen=True)
class Lost:
    """A worker's process that ended: its exit code, and the poison that ran in it, if one did.

    `orderly` is what the worker itself logged about its end, if it did.
    """

    worker: str
    code: int
    poison: str | None
    orderly: str | None = None


@dataclass
class Seen:
    """What was seen in a hostile run. Times are seconds, sizes bytes, both by name where named.

    `pids` has the process ids before and after, 0 for a process that has ended; `left` the memory
    at the end, `cores` the shares of a core that parts of the service and others took.
    """

    bouts: Mapping[str, int]
    unanswered: Mapping[str, int]
    begun: int
    before: Sequence[float]
    during: Sequence[float]
    limits: Mapping[str, int]
    peaks: Mapping[str, int]
    pids: Mapping[str, tuple[int, int]]
    lost: Sequence[Lost]
    broken: Sequence[str] = field(default_factory=list)
    left: Mapping[str, int] = field(default_factory=dict)
    cores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def faults(self) -> Iterator[str]:
        """Yield each promise that was not kept, as a sentence."""
        yield from self.broken
        if len(self.during) < self.begun:
            yield f"{self.begun - len(self.during)} of {self.begun} healthy executions never ended"
        before, during = percentile(self.before, 0.99), percentile(self.during, 0.99)
        if len(self.during) >= ENOUGH and during > SLOWER * before:
            yield f"the healthy p99 is {during:.1f} s beside attacks, {before:.1f} s without"
        for name, (first, last) in self.pids.items():
            if first != last:
                yield f"{name} has not lived through the attacks"
        for lost in self.lost:
            if lost.orderly is not None:
                yield f"{lost.worker} ended itself: {lost.orderly}"
            elif lost.poison is None:
                yield f"{lost.worker} ended with {lost.code} without a poison in it"
        for name, peak in self.peaks.items():
            if peak > self.limits[name]:
                limit = self.limits[name] // MIB
                yield f"{name} had {peak // MIB} of the {limit} MiB that compose.yaml gives it"

    def summary(self) -> str:
        """Return what happened, for people."""
        attacks = (
            f"  {name:20} {count:4} bouts"
            + (f", {self.unanswered[name]} requests unanswered" if self.unanswered[name] else "")
            for name, count in sorted(self.bouts.items())
        )
        peaks = (
            f"  {name:20} {peak / MIB:4.0f} of {self.limits[name] / MIB:4.0f} MiB"
            f", {self.left.get(name, 0) / MIB:.0f} at the end"
            for name, peak in sorted(self.peaks.items())
        )
        cores = (
            f"  {phase:20} " + ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
            for phase, shares in self.cores.items()
        )
        poisons = sorted({str(lost.poison) for lost in self.lost})
        return "\n".join(
            (
                "attacks",
                *attacks,
                "healthy executions",
                f"  before               {_times(self.before)}",
                f"  during               {_times(self.during)}",
                f"workers lost           {len(self.lost)} by {', '.join(poisons) or 'nothing'}",
                "cores used",
                *cores,
                "most memory",
                *peaks,
            )
        )


def _times(values: Sequence[float]) -> str:
    median, high = percentile(values, 0.5), percentile(values, 0.99)
    slowest = max(values, default=math.nan)
    return f"n {len(values):3}  p50 {median:.2f} s  p99 {high:.2f} s  most {slowest:.2f} s"
