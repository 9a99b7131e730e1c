"""The pauses of a retry policy, and its end."""

from __future__ import annotations

import math

import pytest

from durable_http import NonRetryableError, RetryPolicy


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
    """Each pause is twice the one before, up to the longest; up to half of it is chance."""
    pauses = [retry.pause(failed) or math.nan for _ in range(500)]

    assert longest / 2 <= min(pauses) < longest * 0.55
    assert longest * 0.95 < max(pauses) <= longest


@pytest.mark.parametrize("attempts", [1, 2, 5, 100])
def test_attempts_are_counted(attempts: int) -> None:
    """After the last of `max_attempts` attempts there is no pause."""
    pauses = [
        RetryPolicy(max_attempts=attempts).pause(failed) is None
        for failed in range(1, attempts + 2)
    ]

    assert pauses == [False] * (attempts - 1) + [True, True]


def test_pauses_may_be_none_at_all() -> None:
    """A policy without pauses retries at once."""
    assert RetryPolicy(max_attempts=3, initial_interval=0, max_interval=0).pause(1) == 0.0


@pytest.mark.parametrize(
    ("attempts", "first", "longest"),
    [
        (0, 0.1, 1.0),
        (-1, 0.1, 1.0),
        (1, -0.1, 1.0),
        (1, 2.0, 1.0),
        (1, math.nan, 1.0),
        (1, 0.1, math.nan),
    ],
)
def test_a_policy_makes_sense(attempts: int, first: float, longest: float) -> None:
    """A policy without attempts, or with impossible pauses, cannot be made."""
    with pytest.raises(ValueError, match="max_attempts >= 1 and 0 <= initial_interval"):
        RetryPolicy(attempts, first, longest)


def test_pauses_never_overflow() -> None:
    """After very many attempts the pause is still the longest one."""
    pause = RetryPolicy(max_attempts=5000, max_interval=3.0).pause(4000)

    assert pause is not None
    assert 1.5 <= pause <= 3.0


class Declined(Exception):
    """An error that the policy below knows."""


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (ValueError(), True),
        (KeyboardInterrupt(), True),
        (Declined(), False),
        (NonRetryableError(), False),
        (SystemExit(), False),
    ],
)
def test_what_is_tried_again(error: BaseException, retried: bool) -> None:  # noqa: FBT001 - a parameter
    """Everything is, but what says that it would not help."""
    assert RetryPolicy(non_retryable=(Declined,)).retries(error) is retried
