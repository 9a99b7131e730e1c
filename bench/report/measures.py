"""How a figure of a record is compared with another one, round by round."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.record import Record

type Measure = Callable[[Record], tuple[str, list[float]]]
"""Returns what was measured, in words that go behind the goal's, and each round's figure."""

STOCK: Final = ("stock", "stock-tuned")


class Figure(NamedTuple):
    """Where a figure stands in a record."""

    part: str
    subject: str
    case: str
    value: str = "rate"


def _by_round(record: Record, figure: Figure) -> dict[int, list[float]]:
    found: defaultdict[int, list[float]] = defaultdict(list)
    for sample in record.samples:
        same = (sample.part, sample.subject, sample.case) == figure[:3]
        if same and figure.value in sample.values:
            found[sample.round].append(sample.values[figure.value])
    return found


def _ratios(record: Record, over: Figure, under: Figure) -> list[float]:
    """Return the ratio of two figures in each round in which both were measured."""
    above, below = _by_round(record, over), _by_round(record, under)
    return [
        one / other
        for number in sorted(above.keys() & below.keys())
        for one, other in zip(above[number], below[number], strict=False)
        if other
    ]


def ratio(over: Figure, under: Figure) -> Measure:
    """Compare two figures, round by round."""
    return lambda record: ("", _ratios(record, over, under))


def against_stock(over: Figure) -> Measure:
    """Compare with the stock stack, on those flags with which its median is better."""
    lowest = over.value.endswith("_ms")

    def measure(record: Record) -> tuple[str, list[float]]:
        medians = {
            subject: median
            for subject in STOCK
            if (median := record.median(over.part, subject, over.case, over.value)) is not None
        }
        if not medians:
            return "", []
        best = (min if lowest else max)(medians, key=lambda subject: medians[subject])
        return f"against {best}", _ratios(record, over, over._replace(subject=best))

    return measure


def plain(figure: Figure) -> Measure:
    """Take a figure as it is."""
    return lambda record: ("", record.rounds_of(*figure))


def largest(figure: Figure) -> Measure:
    """Take the figure of the last case whose name begins so: the largest that was measured."""

    def measure(record: Record) -> tuple[str, list[float]]:
        case = last_case(record, figure)
        if case is None:
            return "", []
        found = record.rounds_of(figure.part, figure.subject, case, figure.value)
        return _size_of(case), found

    return measure


def within(over: Figure, under: str) -> Measure:
    """Compare two figures of the largest case."""

    def measure(record: Record) -> tuple[str, list[float]]:
        case = last_case(record, over)
        if case is None:
            return "", []
        above = over._replace(case=case)
        return _size_of(case), _ratios(record, above, above._replace(value=under))

    return measure


def grown(figure: Figure) -> Measure:
    """Compare the largest level of what has grown with the empty store beside it."""

    def measure(record: Record) -> tuple[str, list[float]]:
        case = last_case(record, figure)
        if case is None:
            return "", []
        empty = f"{case.rpartition(' ')[0]} 0"
        full = figure._replace(case=case)
        return _size_of(case), _ratios(record, full, full._replace(case=empty))

    return measure


def _size_of(case: str) -> str:
    """Return the last number in a case's name as words behind a goal's."""
    numbers = re.findall(r"\d+", case)
    return f"at {int(numbers[-1]):,}" if numbers else ""


def last_case(record: Record, figure: Figure) -> str | None:
    """Return the last case of a part that begins like the figure's, in the order of the run."""
    cases = [
        sample.case
        for sample in record.samples
        if (sample.part, sample.subject) == (figure.part, figure.subject)
        and sample.case.startswith(figure.case)
    ]
    return cases[-1] if cases else None
