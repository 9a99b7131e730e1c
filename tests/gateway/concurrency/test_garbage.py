"""Work without collections of garbage."""

from __future__ import annotations

import gc

import pytest

from gateway.concurrency.garbage import without_collections


def test_nothing_is_collected_meanwhile() -> None:
    """Collections are off during the call, and on again after it, also when it fails."""
    assert without_collections(gc.isenabled) is False
    assert gc.isenabled()

    with pytest.raises(ValueError, match="invalid literal"):
        without_collections(lambda: int("x"))
    assert gc.isenabled()


def test_collections_that_are_off_stay_off() -> None:
    """Whoever has turned collections off finds them off."""
    gc.disable()
    try:
        without_collections(list)
        assert not gc.isenabled()
    finally:
        gc.enable()
