"""Measures parts in rounds; in each round every subject has its turn, so that noise meets all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.record import Failure, Record, Sample
from bench.stacks.subjects import SUBJECTS, available, started

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.parts.part import Options, Part
    from bench.stacks.service import Service
    from bench.stacks.subjects import Subject

SHOWN = ("rate", "rate_95", "p50_ms", "p99_ms", "failed", "median_s", "p95_s", "max_s")


def run(
    record: Record, parts: Sequence[Part], options: Options, only: Sequence[str] = ()
) -> Iterator[None]:
    """Add all rounds to a record, and yield whenever there is more in it.

    A part that fails is in the record as a failure.
    """
    subjects = [
        subject
        for subject in SUBJECTS.values()
        if available(subject)
        and (not only or subject.name in only)
        and any(measures(part, subject, options) for part in parts)
    ]
    for number in range(1, record.rounds + 1):
        due = [part for part in parts if number == 1 or not part.once]
        # Each round begins with another subject.
        turn = (number - 1) % max(len(subjects), 1)
        for subject in subjects[turn:] + subjects[:turn]:
            wanted = [part for part in due if measures(part, subject, options)]
            together = sorted((p for p in wanted if not p.apart), key=lambda part: part.workers)
            for group in (together, *([part] for part in wanted if part.apart)):
                measure(record, subject, group, number, options)
                yield


def measures(part: Part, subject: Subject, options: Options) -> bool:
    """Return whether a part is measured at a subject."""
    return subject.name in part.subjects or (options.long and subject.name in part.long_subjects)


def measure(
    record: Record, subject: Subject, parts: Sequence[Part], number: int, options: Options
) -> None:
    """Measure parts at one service, in this order; after a failure, the rest at a new one."""
    left = list(parts)
    while left:
        part = left[0]
        try:
            with started(subject) as service:
                while left:
                    part = left.pop(0)
                    measure_part(record, service, part, number, options)
        except Exception as error:  # noqa: BLE001 - the run goes on, and says what failed
            left = [each for each in left if each is not part]
            reason = f"{type(error).__name__}: {error}"
            record.failures.append(Failure(part.name, subject.name, number, reason))
            show(number, part.name, subject.name, f"FAILED  {reason}")


def show(number: int, part: str, subject: str, words: str) -> None:
    """Print a line of progress: the time, the round, the part and the subject."""
    print(f"{time.strftime('%X')}  {number}  {part:14} {subject:13} {words}", flush=True)


def measure_part(
    record: Record, service: Service, part: Part, number: int, options: Options
) -> None:
    """Add the figures of one part at a service, and print them."""
    service.scale(part.workers)
    for case, values in part.measure(service, options):
        record.samples.append(Sample(part.name, service.name, case, number, values))
        shown = "  ".join(f"{name} {values[name]:.4g}" for name in SHOWN if name in values)
        show(number, part.name, service.name, f"{case:14} {shown}")
