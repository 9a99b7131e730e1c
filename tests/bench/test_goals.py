"""How goals are judged by a record."""

from __future__ import annotations

import pytest

from bench.record import FORMAT, Machine, Record, Sample
from bench.report.goals import Result, results


def record(*samples: Sample) -> Record:
    """Return a record with these samples."""
    return Record(
        format=FORMAT,
        made="2026-01-01T00:00:00+00:00",
        commit="0123456789ab",
        long=False,
        rounds=3,
        seconds=1,
        machine=Machine("a processor", 2, 4, "Linux", 0),
        versions={},
        server_configuration="",
        samples=list(samples),
    )


def begins(subject: str, *rates: float) -> list[Sample]:
    """Return the begins of a subject, one rate for each round."""
    return [
        Sample("begin", subject, "unique", number, {"rate": rate})
        for number, rate in enumerate(rates, 1)
    ]


def first(found: Record) -> Result:
    """Return the result of the first goal: five times the stock stack's begins."""
    return results(found)[0]


def test_a_ratio_is_taken_in_each_round() -> None:
    """The median of the ratios counts, so that a slow round of both is no outlier."""
    found = first(record(*begins("ours", 600, 50, 500), *begins("stock", 100, 10, 100)))

    assert found.rounds == [6, 5, 5]
    assert (found.median, found.verdict) == (5, "reached")


def test_the_better_stock_stack_counts() -> None:
    """A goal that the service reaches only beside the slower one is missed."""
    stock = [*begins("stock", 100, 100, 100), *begins("stock-tuned", 200, 200, 200)]
    found = first(record(*begins("ours", 600, 600, 600), *stock))

    assert found.detail == "against stock-tuned"
    assert (found.median, found.verdict) == (3, "**missed**")


def test_a_round_in_which_one_of_both_failed_does_not_count() -> None:
    """Figures of different rounds are never compared."""
    ours = begins("ours", 600, 600, 600)
    found = first(record(ours[0], ours[2], *begins("stock", 100, 200, 300)))

    assert found.rounds == pytest.approx([6, 2])


def test_what_was_not_measured_is_not_reached() -> None:
    """A goal without figures says so."""
    assert {each.verdict for each in results(record())} == {"not measured"}


def test_a_goal_is_not_reached_at_a_smaller_size() -> None:
    """What the short run measures says nothing of the size that a goal is about."""

    def verdict(size: int, seconds: float) -> str:
        sample = Sample("nested", "ours", str(size), 1, {"seconds": seconds})
        return next(each.verdict for each in results(record(sample)) if each.rounds)

    assert verdict(30, 3) == "not measured at 150"
    assert verdict(150, 3) == "reached"
    assert verdict(30, 6) == "**missed**"
