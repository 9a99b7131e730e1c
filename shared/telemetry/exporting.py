"""Spans of OpenTelemetry, sent in batches by a thread of their own.

The queue is bounded: while the collector does not answer, or is too slow, the oldest spans are
dropped. The log has one line then, and one with their number once none is dropped any more. All
settings are the libraries' own variables.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from shared.log import get_logger
from shared.telemetry.ids import ChosenIds
from shared.telemetry.recorded import RecordedSpan, below
from shared.telemetry.runs import RecordedRun
from shared.telemetry.spans import NO_SPAN, Tracing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from shared.telemetry.spans import ClaimedRun, Run, Span, TraceContext

    type Attributes = dict[str, str | int]

CLOSE_SECONDS: Final = 2.0
"""Seconds that a process which ends takes at most to send its last spans."""

DELAY_MILLISECONDS: Final = 1000.0
"""Milliseconds between two batches, unless `OTEL_BSP_SCHEDULE_DELAY` says otherwise. A process that
is killed loses the spans of this time."""

METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
)
"""The methods that OpenTelemetry's conventions know."""

FULL: Final = "the queue is full, see OTEL_BSP_MAX_QUEUE_SIZE"
"""The reason where the collector has not failed, and takes less than is made."""

SHOWN: Final = 300
"""Characters of a reason in the log."""


class ExportedTracing(Tracing):
    """Makes spans and sends them to a collector."""

    def __init__(self, service: str, process: str) -> None:
        ids = self._ids = ChosenIds()
        self._provider = TracerProvider(
            resource=_resource(service, process), id_generator=ids, shutdown_on_exit=False
        )
        delay = None if "OTEL_BSP_SCHEDULE_DELAY" in os.environ else DELAY_MILLISECONDS
        self._exporter = QuietExporter(OTLPSpanExporter())
        self._provider.add_span_processor(_Batches(self._exporter, delay))
        self._exporter.hush()
        # So that spans that a step's function makes are sent too, within that of the step.
        trace.set_tracer_provider(self._provider)
        self._tracer = self._provider.get_tracer("durable_http")

    def request(
        self, method: str, route: str | None, path: str, parent: TraceContext | None
    ) -> Span:
        known = method if method in METHODS else "_OTHER"
        shown = known if known == method else "HTTP"
        attributes = {"http.request.method": known, "url.path": path, "url.scheme": "http"}
        if route is not None:
            attributes["http.route"] = route
            shown = f"{shown} {route}"
        return RecordedSpan(
            self._tracer.start_span(shown, below(parent), SpanKind.SERVER, attributes)
        )

    def call(self, request: bytes, host: str, port: int) -> Span:
        if not trace.get_current_span().is_recording():
            return NO_SPAN
        method, _, rest = (
            request[: request.index(b" HTTP/1.1\r\n")].decode("latin-1").partition(" ")
        )
        path = rest.partition("?")[0]
        attributes: Attributes = {"http.request.method": method, "url.path": path}
        # The rest of a path has ids in it, which are too many to be names.
        return self._client(f"{method} /{path.split('/')[1]}", host, port, attributes)

    def webhook(self, host: str, port: int) -> Span:
        return self._client("POST", host, port, {"http.request.method": "POST"})

    def _client(self, name: str, host: str, port: int, attributes: Attributes) -> Span:
        where: Attributes = {"server.address": host, "server.port": port}
        return RecordedSpan(
            self._tracer.start_span(name, None, SpanKind.CLIENT, {**attributes, **where})
        )

    def run(self, claimed: ClaimedRun) -> Run:
        return RecordedRun(self._tracer, self._ids, claimed)

    def close(self) -> None:
        # The libraries wait for half a minute, and cannot be told otherwise.
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            self._exporter.failed(0)


def _resource(service: str, process: str) -> Resource:
    """Return what a collector shows of this process; variables come before our own names."""
    named = Resource.create({}).attributes
    own = {"service.name": f"durable-http-{service}", "service.instance.id": process}
    if not str(named.get("service.name", "")).startswith("unknown_service"):
        del own["service.name"]
    if "service.instance.id" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        del own["service.instance.id"]
    return Resource.create(dict(own))


class QuietExporter(SpanExporter):
    """Sends spans by another exporter, and logs when that begins to fail, and to succeed."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._pid = os.getpid()
        self._said = _LastRecord()
        self._is_failing = False
        self._dropped = 0
        self._lock = threading.Lock()
        self._log = get_logger()

    def hush(self) -> None:
        """Keep what the libraries log from the log: a line for every batch and every full queue."""
        library = logging.getLogger("opentelemetry")
        library.propagate = False
        library.addHandler(self._said)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if os.getpid() != self._pid:  # a child that was forked shares our connection
            return SpanExportResult.FAILURE
        dropped = self._dropped
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs spans and nothing else
            result = SpanExportResult.FAILURE
            self._said.text = repr(error)
        if result is SpanExportResult.SUCCESS:
            self._succeeded(dropped)
        else:
            self.failed(len(spans))
        return result

    def _succeeded(self, dropped: int) -> None:
        """Log that spans are sent again, unless more were dropped while these were sent."""
        with self._lock:
            if self._dropped != dropped:
                return
            if self._is_failing:
                self._log.info("spans are sent again", dropped=dropped)
            self._is_failing, self._dropped, self._said.text = False, 0, ""

    def failed(self, count: int) -> None:
        """Log that spans are lost, unless that is known."""
        with self._lock:
            if not self._is_failing:
                self._log.warning(
                    "spans not sent, see OTEL_EXPORTER_OTLP_ENDPOINT and its collector",
                    reason=(self._said.text or FULL)[:SHOWN],
                )
            self._is_failing = True
            self._dropped += count

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _Batches(BatchSpanProcessor):
    """Collects batches, and reports each span that a full queue costs."""

    def __init__(self, exporter: QuietExporter, delay: float | None) -> None:
        super().__init__(exporter, schedule_delay_millis=delay)
        self._failed = exporter.failed

    def on_end(self, span: ReadableSpan) -> None:
        queue = self._batch_processor._queue  # noqa: SLF001 - no other way to see it
        if len(queue) == queue.maxlen and span.context and span.context.trace_flags.sampled:
            self._failed(1)
        super().on_end(span)


class _LastRecord(logging.Handler):
    """Remembers what a library has logged last of its trouble with the collector."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if not text.startswith("Queue full"):  # a consequence, and no reason
            self.text = text
