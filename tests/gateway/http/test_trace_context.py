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
LONGEST: Final = f"a={'x' * 255},b={'y' * 252}"
"""A state of 512 characters."""

MOST: Final = ",".join(f"k{n}=v" for n in range(32))
"""A state of 32 members."""


@pytest.mark.parametrize(
    ("headers", "state"),
    [
        ([], ""),
        ([""], ""),
        (["a=1"], "a=1"),
        (["a=1,b=2", "c=3"], "a=1,b=2,c=3"),
        ([" a=1 ,\t,, b=2\t", ","], "a=1,b=2"),
        (["a= 1"], "a= 1"),
        (["tenant/1@sys-tem_*=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~ ~"], None),
        (["0tenant@sys=1"], "0tenant@sys=1"),
        ([f"{'k' * 256}=v"], f"{'k' * 256}=v"),
        ([LONGEST], LONGEST),
        ([MOST], MOST),
        (MOST.split(","), MOST),
    ],
)
def test_a_state_is_read(headers: list[str], state: str | None) -> None:
    """The members of all headers count as one list, in their order; empty ones are left out."""
    expected = headers[0] if state is None else state
    assert trace_of([TRACEPARENT], headers) == TraceContext(TRACE, SPAN, "01", expected)


@pytest.mark.parametrize(
    "headers",
    [
        ["a"],
        ["=1"],
        ["a="],
        ["a=b=c"],
        ["A=1"],
        ["0a=1"],
        ["a b=1"],
        ["a=1;b=2,c"],
        ["a=1", "b"],
        ["a=1,a=2"],
        ["a=1", "a=1"],
        ["a=\x00"],
        ["a=1\x7f"],
        ["a=1\n"],
        ["a=\u00e9"],
        ["a=\udce9"],
        ["a=\u0661"],
        [f"{'k' * 257}=v"],
        [f"a={'x' * 257}"],
        [f"{LONGEST}y"],
        [f"{MOST},more=v"],
        [MOST, "more=v"],
        ["a=1," * 5000 + "b"],
        ["," * 5000 + "a"],
    ],
)
def test_a_bad_state_is_left_out(headers: list[str]) -> None:
    """A state that is invalid anywhere, or too long, is left out as a whole; the span counts."""
    assert trace_of([TRACEPARENT], headers) == TraceContext(TRACE, SPAN, "01")


async def test_a_state_is_stored_beside_its_trace(gateway: Gateway, store: Store, job: str) -> None:
    """Whatever a valid state has in it is stored, and nothing without a valid `traceparent`."""
    state = "a=\\\"}{'$%,b=<script> ;--"
    for id, parent in ((job, TRACEPARENT), (f"{job}-2", "nonsense")):
        headers = {"traceparent": parent, "tracestate": state}
        assert (await gateway.ask("POST", f"/begin?id={id}", None, headers)).status == 202
    stored = await asyncio.to_thread(store.promises.get, job)
    other = await asyncio.to_thread(store.promises.get, f"{job}-2")

    assert stored.tags["trace_state"] == state
    assert not {"trace", "origin", "trace_state"} & other.tags.keys()


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
    assert "trace_state" not in stored.tags


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
