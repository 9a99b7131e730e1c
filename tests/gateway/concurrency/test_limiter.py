"""Limits on how many clients are served at a time."""

from __future__ import annotations

import pytest

from gateway.concurrency.limiter import Limiter
from gateway.errors import TooManyRequests


def test_a_client_without_a_place_is_refused() -> None:
    """The last place is given, the next client is refused with the text and the id."""
    limiter = Limiter(2, "Too many.")

    with limiter.place(), limiter.place():
        assert len(limiter) == 2
        with pytest.raises(TooManyRequests, match=r"Too many\.") as refused:
            limiter.place("job-1")

    assert refused.value.id == "job-1"
    assert len(limiter) == 0


def test_a_place_is_free_again_after_an_error() -> None:
    """Whatever ends the block, its place is free."""
    limiter = Limiter(1, "Too many.")

    with pytest.raises(LookupError), limiter.place():
        raise LookupError

    with limiter.place():
        assert len(limiter) == 1
