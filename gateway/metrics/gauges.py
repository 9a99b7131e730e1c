"""What a gateway holds at the moment of a scrape: read then, and kept by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sized

    from gateway.backend.client import Backend
    from gateway.metrics.promise_numbers import PromiseNumbers
    from gateway.presence.deaths import Deaths
    from gateway.presence.workers import Workers
    from gateway.updates.event_streams import EventStreams
    from gateway.updates.subscriptions import Subscriptions
    from shared.metrics import Meter


class Parts(NamedTuple):
    """The parts of a gateway that are looked at; of `begins` and `waiters` only how many.

    Without presence no worker connects, and nothing is said of workers.
    """

    backend: Backend
    numbers: PromiseNumbers
    begins: Sized
    waiters: Sized
    streams: EventStreams
    subscriptions: Subscriptions
    workers: Workers
    deaths: Deaths
    draining: asyncio.Event
    has_presence: bool


def read_gauges(meter: Meter, parts: Parts) -> None:
    """Have a meter read the parts of a gateway."""
    _read_clients(meter, parts)
    _read_server(meter, parts)
    if parts.has_presence:
        _read_workers(meter, parts)


def _read_clients(meter: Meter, parts: Parts) -> None:
    def waiters() -> dict[str, float]:
        streams = parts.streams.clients
        return {"events": streams, "wait": max(0, len(parts.waiters) - streams)}

    meter.read_gauge(
        "durable_http_gateway_begins_running",
        "Begins that are being stored.",
        lambda: len(parts.begins),
    )
    meter.read_gauges(
        "durable_http_gateway_waiters",
        "Clients that wait for an execution's end (wait), or read its events (events).",
        "kind",
        waiters,
    )
    meter.read_gauge(
        "durable_http_gateway_draining",
        "Whether this process lets its requests finish before its end.",
        parts.draining.is_set,
    )


def _read_server(meter: Meter, parts: Parts) -> None:
    meter.read_gauge(
        "durable_http_gateway_server_connected",
        "Whether the stream of the server's notifications is open.",
        lambda: parts.subscriptions.is_connected,
    )
    meter.read_gauge(
        "durable_http_gateway_offload_threads_busy",
        "Threads with a call to the server.",
        lambda: parts.backend.load.running,
    )
    meter.read_gauge(
        "durable_http_gateway_offload_queue",
        "Calls to the server that wait for a thread.",
        lambda: parts.backend.load.waiting,
    )
    meter.read_gauge(
        "durable_http_gateway_promise_numbers_used_ratio",
        "Part of the store's numbers for promises that is used up, as of the last scrape.",
        lambda: parts.numbers.used_ratio,
    )


def _read_workers(meter: Meter, parts: Parts) -> None:
    meter.read_gauge(
        "durable_http_gateway_workers",
        "Workers that are connected to this process.",
        lambda: len(parts.workers),
    )
    meter.read_gauge(
        "durable_http_gateway_workers_silent",
        "Connected workers that have said nothing for a while: frozen, or cut off.",
        lambda: sum(worker.is_silent() for worker in parts.workers),
    )
    meter.read_count(
        "durable_http_gateway_workers_died_total",
        "Workers whose connection ended without a goodbye.",
        lambda: parts.deaths.count,
    )
    meter.read_count(
        "durable_http_gateway_workers_died_falsely_total",
        "Workers that were taken for dead and live, so that their claims were dropped for nothing.",
        lambda: parts.deaths.mistakes,
    )
    meter.read_count(
        "durable_http_gateway_releases_total",
        "Claims and offers of dead workers that this process has released at the server.",
        lambda: parts.deaths.released,
    )
