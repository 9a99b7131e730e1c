"""What a gateway counts, by methods that are named after what has happened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gateway.errors import BackendUnavailable, IdReused, Overloaded, Saturated, ServiceError
from gateway.errors import TooManyRequests as TooMany
from shared.metrics import OTHER, Meter, StoreCalls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.http.access_log import Entry

METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Methods that are counted by themselves: a client can send any."""

CELL_OUTCOMES: Final = ("answered", "unreached")

INTERNAL_ERROR: Final = "500"
"""The status of an answer where the gateway has failed."""

REQUEST_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5, 30)
"""Upper bounds in seconds; /wait takes up to 25 s if its client wants that."""

OUTCOMES: Final = (
    *("created", "replayed", "conflict", "failed", "invalid", "left", "refused", "unavailable"),
)
BEGIN_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
RECOVERY_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class GatewayMetrics:
    """Counts for one gateway process. Without `on` it counts nothing."""

    def __init__(self, *, on: bool = True) -> None:
        self.meter = meter = Meter(on=on)
        meter.add_process()
        self.store = StoreCalls(meter)
        self._routes: frozenset[str] = frozenset()
        self._requests = meter.counts(
            "durable_http_gateway_requests_total",
            "Requests that were answered, or whose clients left (499).",
            *("method", "route", "status"),
        )
        self._seconds = meter.distributions(
            "durable_http_gateway_request_duration_seconds",
            "Time from a request's head to its answer's end; waiting for an execution counts.",
            REQUEST_BUCKETS,
            "route",
        )
        self._begins = meter.counts(
            "durable_http_gateway_begins_total", "Begins by their outcome.", "outcome"
        )
        for outcome in OUTCOMES:  # or the first one of each would not be seen as an increase
            self._begins.of(outcome)
        self._begin_seconds = meter.distribution(
            "durable_http_gateway_begin_duration_seconds",
            "Time until a begin is stored, or found stored, without waiting for the execution.",
            BEGIN_BUCKETS,
        )
        self._forwarded = meter.counts(
            "durable_http_gateway_cell_requests_total",
            "Requests to gateways of other cells, by the cell and whether it has answered.",
            *("cell", "outcome"),
        )
        self._recovery_seconds = meter.distribution(
            "durable_http_gateway_recovery_duration_seconds",
            "Time from a worker's death until another worker has its execution.",
            RECOVERY_BUCKETS,
        )

    def add_cells(self, cells: Iterable[str]) -> None:
        """Count requests to these cells from zero: else the first would not be an increase."""
        for cell in cells:
            for outcome in CELL_OUTCOMES:
                self._forwarded.of(cell, outcome)

    def forwarded(self, cell: str, outcome: str) -> None:
        """Count a request to another cell, by one of `CELL_OUTCOMES`."""
        self._forwarded.of(cell, outcome).inc()

    def add_routes(self, routes: Iterable[tuple[str, str]]) -> None:
        """Count these routes by themselves: each is a method, and a path as the routes have it."""
        known = list(routes)
        self._routes = frozenset(path for _, path in known)
        for method, path in known:  # or the first fault of each would not be seen as an increase
            self._requests.of(method, path, INTERNAL_ERROR)

    def requested(self, entry: Entry) -> None:
        """Count a request that has ended."""
        method = entry.method if entry.method in METHODS else OTHER
        route = entry.path if entry.path in self._routes else OTHER
        self._requests.of(method, route, str(entry.status)).inc()
        self._seconds.of(route).observe(entry.seconds)

    def begun(self, seconds: float, *, created: bool) -> None:
        """Count a begin whose execution is stored."""
        self._begins.of("created" if created else "replayed").inc()
        self._begin_seconds.observe(seconds)

    def begin_failed(self, error: BaseException) -> None:
        """Count a begin that was not stored, or of which that is not known."""
        self._begins.of(_outcome_of(error)).inc()

    def recovered(self, seconds: float | None) -> None:
        """Count an execution with which another worker goes on, so long after its worker's end.

        An end that nobody saw is left out: its time is not known.
        """
        if seconds is not None:
            self._recovery_seconds.observe(seconds)


def _outcome_of(error: BaseException) -> str:
    match error:
        case TooMany() | Overloaded() | Saturated():
            return "refused"
        case BackendUnavailable():
            return "unavailable"
        case IdReused():
            return "conflict"
        case asyncio.CancelledError():
            return "left"
        case ServiceError():
            return "invalid"
        case _:
            return "failed"
