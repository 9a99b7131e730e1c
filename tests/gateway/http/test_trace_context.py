"""What counts as a trace context, and what is ignored."""

from __future__ import annotations

from typing import Final

import pytest

from gateway.http.trace_context import Trace, trace_of

TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN: Final = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "header",
    [
        f"00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-00",
        f" 00-{TRACE}-{SPAN}-ff ",
        f"01-{TRACE}-{SPAN}-01",
        f"fe-{TRACE}-{SPAN}-01-what-may-come",
    ],
)
def test_a_trace_is_read(header: str) -> None:
    """The four parts are read, of later versions too, whatever follows there."""
    assert trace_of([header]) == Trace(TRACE, SPAN)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"],
        [f"ff-{TRACE}-{SPAN}-01"],
        [f"00-{TRACE}-{SPAN}-01-more"],
        [f"01-{TRACE}-{SPAN}-01more"],
        [f"00-{'0' * 32}-{SPAN}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"00-{TRACE.upper()}-{SPAN}-01"],
        [f"00-{TRACE}-{SPAN}"],
        [f"00-{TRACE}-{SPAN}-1"],
        [f"00-{TRACE[1:]}-{SPAN}-01"],
        [f"00-{TRACE}-{SPAN}-01x"],
        [f"0\u0660-{TRACE}-{SPAN}-01"],
        [f"00_{TRACE}_{SPAN}_01"],
    ],
)
def test_what_is_none_is_ignored(headers: list[str]) -> None:
    """Anything else, and more than one, is as good as nothing."""
    assert trace_of(headers) is None
