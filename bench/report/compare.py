"""The summary that a run prints: the goals, and each figure beside that of an earlier record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.report.goals import results

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.record import Record

COMPARED: Final = ("rate", "p99_ms", "seconds", "p50_ms")
"""Figures that are compared; of a case the first two that it has."""


def summary(record: Record, earlier: Record | None) -> str:
    """Return what the run has reached, and what has become faster or slower."""
    failures = [f"FAILED {each.part} of {each.subject}: {each.reason}" for each in record.failures]
    return "\n".join([*_figures(record, earlier), "", *_goals(record), *failures])


def _figures(record: Record, earlier: Record | None) -> Iterator[str]:
    if earlier:
        yield f"beside the record of {earlier.commit}, made on {earlier.made}:"
    for (part, case), subjects in record.cases().items():
        for subject in subjects:
            having = [v for v in COMPARED if record.rounds_of(part, subject, case, v)]
            for value in having[:2]:
                found = record.rounds_of(part, subject, case, value)
                median = record.median(part, subject, case, value) or 0.0
                before = earlier.median(part, subject, case, value) if earlier else None
                yield (
                    f"{part:14} {case:18} {subject:13} {value:7} {median:9.4g}"
                    f"  ({min(found):.4g} to {max(found):.4g})"
                    + (f"  {median / before:.2f} x" if before else "")
                )


def _goals(record: Record) -> Iterator[str]:
    for result in results(record):
        if result.rounds:
            goal = result.goal
            yield (
                f"{goal.number}  {goal.text} {result.detail}: {result.median:.3g} {goal.unit}"
                f"  (goal {goal.bound}, {result.verdict.strip('*')})"
            )
