"""The summary that a run prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.record import Record

COMPARED = ("rate", "rate_95", "p50_ms", "p99_ms")


def summary(record: Record, earlier: Record | None) -> str:
    """Return each figure's median and range, and its ratio to an earlier record."""
    lines = []
    for (part, case), subjects in record.cases().items():
        for subject in subjects:
            for value in COMPARED:
                found = record.rounds_of(part, subject, case, value)
                if not found:
                    continue
                median = record.median(part, subject, case, value) or 0.0
                line = (
                    f"{part:14} {case:14} {subject:13} {value:7} {median:10.4g}"
                    f"  ({min(found):.4g}-{max(found):.4g})"
                )
                before = earlier.median(part, subject, case, value) if earlier else None
                if before:
                    line += f"  x {median / before:.2f} of {earlier.commit if earlier else ''}"
                lines.append(line)
    return "\n".join(lines)
