"""Metrics of one process: what it counts, what is read when somebody asks, and both as text.

A `Meter` is made by what runs the process and is passed to what counts. There is no registry for a
whole program: two gateways in one process, as in tests, count for themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.exposition import generate_latest as plain_text
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPEN_METRICS
from prometheus_client.openmetrics.exposition import generate_latest as open_metrics_text
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

OTHER: Final = "other"
"""Value of a label for whatever is not known: what clients send must not make series."""

STORE_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds, in seconds, of the durations of a call to the server."""

STATUSES: Final = frozenset({200, 201, 204, 400, 401, 403, 404, 409, 412, 429, 500, 502, 503, 504})
"""Statuses of the server's answers that are counted by themselves."""

UNANSWERED: Final = "unanswered"

type Values = Mapping[str, float]
"""Values of a gauge with one label, by the label's value."""


class Count(Protocol):
    """What is counted."""

    def inc(self, amount: float = 1) -> None: ...


class Distribution(Protocol):
    """What is measured, by how often it was below some bounds."""

    def observe(self, amount: float) -> None: ...


class Children[T]:
    """The metrics of one name, by the values of their labels; each is looked up once."""

    def __init__(self, make: Callable[..., T]) -> None:
        self._make = make
        self._made: dict[tuple[str, ...], T] = {}

    def of(self, *values: str) -> T:
        """Return the metric with these values."""
        child = self._made.get(values)
        if child is None:
            child = self._made[values] = self._make(*values)
        return child


class _Nothing:
    """Counts nothing."""

    def inc(self, amount: float = 1) -> None:
        """Do nothing."""

    def observe(self, amount: float) -> None:
        """Do nothing."""


_NOTHING: Final = _Nothing()


class _Readings(Collector):
    """Values that are read whenever somebody asks, so that keeping them costs nothing."""

    def __init__(self) -> None:
        self._reads: list[Callable[[], Metric]] = []
        self._log = get_logger()

    def add(self, read: Callable[[], Metric]) -> None:
        """Read this too."""
        self._reads.append(read)

    def collect(self) -> Iterator[Metric]:
        for read in self._reads:
            try:
                yield read()
            except Exception:  # noqa: BLE001 - the others can be read
                self._log.exception("metric not read")

    def describe(self) -> Iterable[Metric]:
        return ()  # or the registry would read everything when this is added


class Meter:
    """Makes the metrics of a process. Without `on` they count nothing, and nothing is read."""

    def __init__(self, *, on: bool = True) -> None:
        self.on = on
        self._registry = CollectorRegistry(auto_describe=False)
        self._readings = _Readings()
        self._registry.register(self._readings)

    def add_process(self) -> None:
        """Add what the machine knows of this process, and its Python, whatever is counted."""
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def count(self, name: str, help: str) -> Count:
        """Return a counter without labels."""
        return Counter(name, help, registry=self._registry) if self.on else _NOTHING

    def counts(self, name: str, help: str, *labels: str) -> Children[Count]:
        """Return a counter with labels."""
        if not self.on:
            return Children(lambda *_: _NOTHING)
        return Children(Counter(name, help, labels, registry=self._registry).labels)

    def distribution(self, name: str, help: str, buckets: Sequence[float]) -> Distribution:
        """Return a histogram without labels."""
        if not self.on:
            return _NOTHING
        return Histogram(name, help, buckets=buckets, registry=self._registry)

    def distributions(
        self, name: str, help: str, buckets: Sequence[float], *labels: str
    ) -> Children[Distribution]:
        """Return a histogram with labels."""
        if not self.on:
            return Children(lambda *_: _NOTHING)
        made = Histogram(name, help, labels, buckets=buckets, registry=self._registry)
        return Children(made.labels)

    def read_count(self, name: str, help: str, read: Callable[[], float]) -> None:
        """Expose a number that something counts anyway."""
        if self.on:
            self._readings.add(lambda: CounterMetricFamily(name, help, read()))

    def read_gauge(self, name: str, help: str, read: Callable[[], float]) -> None:
        """Expose a number that goes up and down."""
        if self.on:
            self._readings.add(lambda: GaugeMetricFamily(name, help, read()))

    def read_gauges(self, name: str, help: str, label: str, read: Callable[[], Values]) -> None:
        """Expose several such numbers, which differ in a label."""

        def family() -> Metric:
            gauges = GaugeMetricFamily(name, help, labels=[label])
            for value, number in read().items():
                gauges.add_metric([value], number)
            return gauges

        if self.on:
            self._readings.add(family)

    def collect(self) -> list[Metric]:
        """Return all metrics as they are now; this reads files, so call it from a thread."""
        families = []
        for family in self._registry.collect():
            # When a series was made: it would double their number, and the process has its start.
            family.samples = [each for each in family.samples if not each.name.endswith("_created")]
            families.append(family)
        return families


class StoreCalls:
    """Counts calls to the server, each try for itself, by what they are for and by their answer."""

    def __init__(self, meter: Meter) -> None:
        self._calls = meter.counts(
            "durable_http_store_calls_total",
            "Calls to the Resonate server, each try for itself.",
            "verb",
            "status",
        )
        self._seconds = meter.distributions(
            "durable_http_store_call_duration_seconds",
            "Time of a call to the Resonate server, each try for itself.",
            STORE_BUCKETS,
            "verb",
        )

    def called(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a call; `status` is 0 if no answer came."""
        verb = verb_of(method, path)
        self._calls.of(verb, _status_of(status)).inc()
        self._seconds.of(verb).observe(seconds)


WITHOUT_ID: Final = {
    ("POST", "/promises"): "create",
    ("GET", "/promises"): "search",
    ("POST", "/locks/acquire"): "lock",
    ("GET", "/ping"): "ping",
    ("POST", "/tasks/claim"): "claim",
    ("POST", "/tasks/complete"): "complete",
    ("POST", "/tasks/drop"): "drop",
    ("POST", "/tasks/heartbeat"): "heartbeat",
}
WITH_ID: Final = {
    ("GET", "/promises"): "read",
    ("PATCH", "/promises"): "settle",
    ("POST", "/promises/callback"): "callback",
    ("POST", "/promises/subscribe"): "subscribe",
}


def verb_of(method: str, path: str) -> str:
    """Return what a call is for; ids are in paths, so these are no label."""
    path = path.partition("?")[0]
    verb = WITHOUT_ID.get((method, path))
    return verb or WITH_ID.get((method, path.rpartition("/")[0]), OTHER)


def _status_of(status: int) -> str:
    if status == 0:
        return UNANSWERED
    return str(status) if status in STATUSES else OTHER


class _Collected(Collector):
    """Families that were collected before."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def accepts_open_metrics(accept: str) -> bool:
    """Return whether the header `Accept` names OpenMetrics."""
    return "application/openmetrics-text" in accept.lower()


def exposition(families: Iterable[Metric], is_open: bool) -> tuple[str, bytes]:  # noqa: FBT001 - passed on by executors, by its place
    """Return metrics as a content type and a text: OpenMetrics, or Prometheus' own."""
    if is_open:
        return OPEN_METRICS, open_metrics_text(_Collected(families))  # type: ignore[no-untyped-call]
    return CONTENT_TYPE_PLAIN_0_0_4, plain_text(_Collected(families))
