"""How long a failed step rests, and when it is given up."""

from __future__ import annotations

import math

import pytest

from worker.durable.retry import RetryPolicy


@pytest.mark.parametrize(
    ("retry", "failed", "longest"),
    [
        (RetryPolicy(), 1, 0.2),
        (RetryPolicy(), 2, 0.4),
        (RetryPolicy(), 3, 0.8),
        (RetryPolicy(), 4, 1.6),
        (RetryPolicy(max_attempts=100), 6, 5.0),
        (RetryPolicy(max_attempts=100), 99, 5.0),
        (RetryPolicy(max_attempts=3, initial_interval=2, max_interval=3), 1, 2.0),
        (RetryPolicy(max_attempts=3, initial_interval=2, max_interval=3), 2, 3.0),
    ],
)
def test_pauses_grow_to_a_limit(retry: RetryPolicy, failed: int, longest: float) -> None:
    """A pause is twice the one before, up to the longest, and up to a half of it is chance."""
    pauses = [retry.pause(failed) or math.nan for _ in range(500)]

    assert longest / 2 <= min(pauses) < longest * 0.55
    assert longest * 0.95 < max(pauses) <= longest


@pytest.mark.parametrize("tries", [1, 2, 5, 100])
def test_tries_are_counted(tries: int) -> None:
    """A step has exactly so many tries: after the last one there is no pause."""
    pauses = [
        RetryPolicy(max_attempts=tries).pause(failed) is None for failed in range(1, tries + 2)
    ]

    assert pauses == [False] * (tries - 1) + [True, True]


def test_pauses_may_be_none_at_all() -> None:
    """A policy without pauses tries again at once."""
    assert RetryPolicy(max_attempts=3, initial_interval=0, max_interval=0).pause(1) == 0.0


@pytest.mark.parametrize(
    ("tries", "first", "longest"),
    [
        (0, 0.1, 1.0),
        (-1, 0.1, 1.0),
        (1, -0.1, 1.0),
        (1, 2.0, 1.0),
        (1, math.nan, 1.0),
        (1, 0.1, math.nan),
    ],
)
def test_a_policy_makes_sense(tries: int, first: float, longest: float) -> None:
    """A policy without a try, or with pauses that cannot be, is refused where it is written."""
    with pytest.raises(ValueError, match="max_attempts >= 1 and 0 <= initial_interval"):
        RetryPolicy(tries, first, longest)


def test_pauses_never_overflow() -> None:
    """A policy of very many tries goes on at its longest pause."""
    pause = RetryPolicy(max_attempts=5000, max_interval=3.0).pause(4000)

    assert pause is not None
    assert 1.5 <= pause <= 3.0
