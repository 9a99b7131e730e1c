"""Which trace contexts are read, and which are ignored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from gateway.http.trace_context import trace_of
from shared.telemetry.spans import TraceContext
from tests.support.gateway.client import logged_requests

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway


TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN: Final = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (f"00-{TRACE}-{SPAN}-01", "01"),
        (f"00-{TRACE}-{SPAN}-00", "00"),
        (f" 00-{TRACE}-{SPAN}-ff ", "03"),
        (f"01-{TRACE}-{SPAN}-01", "01"),
        (f"fe-{TRACE}-{SPAN}-02-what-may-come", "02"),
    ],
)
def test_a_trace_is_read(header: str, flags: str) -> None:
    """The four parts are read, of later versions too, whatever follows there."""
    assert trace_of([header]) == TraceContext(TRACE, SPAN, flags)


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
    """Any other header, and more than one header, is ignored."""
    assert trace_of(headers) is None


TRACEPARENT: Final = f"00-{TRACE}-{SPAN}-01"


async def test_a_trace_is_taken_up(
    gateway: Gateway, store: Store, job: str, log: list[EventDict]
) -> None:
    """A request's trace is in its log line, and is stored with the execution that it begins."""
    headers: dict[str, str] = {"traceparent": TRACEPARENT}
    await gateway.ask("POST", f"/begin?id={job}", None, headers)
    stored = await asyncio.to_thread(store.promises.get, job)

    (line,) = await logged_requests(log, 1)
    assert (line["trace_id"], line["span_id"]) == (TRACE, SPAN)
    assert (stored.tags["trace"], stored.tags["origin"]) == (TRACE, f"{SPAN}-01")


async def test_a_bad_trace_is_no_matter(
    gateway: Gateway, store: Store, job: str, log: list[EventDict]
) -> None:
    """An invalid `traceparent` is ignored, and the request is served."""
    headers = {"traceparent": TRACEPARENT.upper()}
    answer = await gateway.ask("POST", f"/begin?id={job}", None, headers)
    stored = await asyncio.to_thread(store.promises.get, job)

    assert answer.status == 202
    assert not {"trace", "origin"} & stored.tags.keys()
    await logged_requests(log, 1)
    assert not [line for line in log if "trace_id" in line]
