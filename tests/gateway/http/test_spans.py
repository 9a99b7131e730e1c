"""A gateway that makes spans: what its log says of them, and that nothing waits for a collector."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shared.telemetry.exporting import ExportedTracing
from shared.telemetry.spans import Tracing
from shared.telemetry.tracing import use
from tests.support.gateway.client import logged_requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import EventDict

    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "ours=1,theirs=a b"}


@pytest.fixture(name="traced", autouse=True)
def _traced(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make spans for a collector that never answers."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    traces = ExportedTracing("gateway", "gateway")
    use(traces)
    yield
    use(Tracing())
    traces.close()


async def test_a_request_has_a_span_of_its_own(
    gateway: Gateway, store: Store, job: str, log: list[EventDict]
) -> None:
    """The trace is the client's, the span the gateway's; it is stored with what it begins."""
    await gateway.ask("POST", f"/begin?id={job}", None, HEADERS)
    stored = await asyncio.to_thread(store.promises.get, job)

    (line,) = await logged_requests(log, 1)
    assert line["trace_id"] == TRACE
    assert line["span_id"] != SPAN
    assert (stored.tags["trace"], stored.tags["origin"]) == (TRACE, f"{line['span_id']}-01")
    assert stored.tags["trace_state"] == HEADERS["tracestate"]


async def test_a_request_without_a_trace_begins_one(gateway: Gateway, log: list[EventDict]) -> None:
    """Two requests are in two traces."""
    await gateway.ask("GET", "/list")
    await gateway.ask("GET", "/list")

    first, second = await logged_requests(log, 2)
    assert len(first["trace_id"]) == 32
    assert first["trace_id"] != second["trace_id"]


async def test_health_checks_have_no_span(gateway: Gateway, log: list[EventDict]) -> None:
    """What asks every few seconds fills no trace."""
    await gateway.ask("GET", "/healthz")

    (line,) = await logged_requests(log, 1)
    assert "trace_id" not in line


@pytest.mark.parametrize("path", ["/nothing", "/a%0Ab", "/" + "x" * 5000, "/wait?id=a%00b"])
async def test_what_is_refused_has_a_span(
    gateway: Gateway, log: list[EventDict], path: str
) -> None:
    """An unknown path and a bad id are requests like others."""
    answer = await gateway.ask("GET", path, None, HEADERS)

    (line,) = await logged_requests(log, 1)
    assert answer.status in {400, 404, 414}
    assert line["trace_id"] == TRACE


async def test_nothing_waits_for_the_collector(gateway: Gateway, log: list[EventDict]) -> None:
    """A full queue blocks neither a request nor the loop, which the fixtures watch."""
    answers = await asyncio.gather(*(gateway.ask("GET", "/list") for _ in range(50)))

    assert {answer.status for answer in answers} == {200}
    assert len(await logged_requests(log, 50)) == 50
