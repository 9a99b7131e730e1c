"""Cursors of the server: read as a position, and made again from a position."""

from __future__ import annotations

from typing import Any

import pytest

from shared.resonate.cursors import cursor_at, position_of

SEARCH: dict[str, Any] = {"pattern": "job-*", "tags": {}, "state": None, "limit": 10}


@pytest.mark.parametrize("position", [1, 1234, 2**31 - 1])
def test_a_position_is_carried(position: int) -> None:
    """A cursor made for a position contains that position."""
    assert position_of(cursor_at(position, **SEARCH)) == position


@pytest.mark.parametrize(
    "wrong",
    [
        *({"position": position} for position in (0, -1, 2**31)),
        {"pattern": ""},
        *({"limit": limit} for limit in (0, -1)),
    ],
)
def test_no_cursor_is_made_that_crashes_the_server(wrong: dict[str, Any]) -> None:
    """A search that would crash the server is refused."""
    with pytest.raises(ValueError, match="crash"):
        cursor_at(**{"position": 1, **SEARCH, **wrong})


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "a.e30.c", "a.bnVsbA.c", "a.eyJOZXh0IjoxfQ.c"])
def test_other_texts_are_no_cursors(text: str) -> None:
    """A text that the server cannot have made raises `ValueError`."""
    with pytest.raises(ValueError, match=r".+"):
        position_of(text)
