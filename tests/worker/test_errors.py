"""The failures that are stored for exceptions."""

from __future__ import annotations

import pytest

from durable_http import ResultTooLarge, StepFailed
from shared.resonate.codec import Failure
from worker.errors import describe


class Mute(Exception):
    """An error whose `__str__` raises."""

    def __str__(self) -> str:
        raise RuntimeError("not today")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError(), Failure("ValueError", "", "s", 1)),
        (KeyError("k"), Failure("KeyError", "'k'", "s", 1)),
        (ValueError("\ud800"), Failure("ValueError", "?", "s", 1)),
        (Mute(), Failure("Mute", "its message cannot be shown", "s", 1)),
        (ResultTooLarge("2 bytes"), Failure("ResultTooLarge", "2 bytes", "s", 1)),
        (StepFailed("m", type="E", step="t", attempts=9), Failure("E", "m", "t", 9)),
    ],
)
def test_any_error_can_be_described(error: Exception, failure: Failure) -> None:
    """Every exception gives a failure to store; a failed step keeps its own."""
    assert describe(error, step="s", attempts=1) == failure
