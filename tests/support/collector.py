"""A collector of OpenTelemetry: it takes spans by OTLP over HTTP, and keeps them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
OK: Final = 200
ERROR: Final = 2
"""The code of a span that has failed."""


@dataclass(frozen=True)
class Sent:
    """A span as it has arrived; ids are hexadecimal, `links` the ids of spans."""

    name: str
    kind: str
    trace_id: str
    state: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, object]
    has_failed: bool
    message: str
    began: int
    ended: int
    resource: dict[str, object]

    @property
    def service(self) -> str:
        return str(self.resource["service.name"])


@dataclass
class Collector:
    """Answers with `status`, and keeps what it is sent with 200."""

    port: int = 0
    status: int = OK
    spans: list[Sent] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a process is told so that it sends its spans here, soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    def of(self, trace_id: str) -> list[Sent]:
        """Return the spans of a trace so far, in the order of their begins."""
        found = [span for span in list(self.spans) if span.trace_id == trace_id]
        return sorted(found, key=lambda span: span.began)

    def wait(self, trace_id: str, *names: str) -> list[Sent]:
        """Wait until a trace has spans of these names, and return all that it has."""

        def missing() -> list[str]:
            left = list(names)
            for span in self.of(trace_id):
                with contextlib.suppress(ValueError):
                    left.remove(span.name)
            return left

        wait_until(lambda: not missing(), what=f"the spans {names}")
        return self.of(trace_id)

    async def take(self, request: web.Request) -> web.Response:
        """Take a batch of spans."""
        body = await request.read()
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if self.status == OK:
            self.bodies.append(body)
            self.spans += decoded(body)
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(status=self.status, body=answer, content_type="application/x-protobuf")


def decoded(body: bytes) -> Iterator[Sent]:
    """Yield the spans of a batch."""
    for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _values(sent.resource.attributes)
        for scope in sent.scope_spans:
            for span in scope.spans:
                yield Sent(
                    span.name,
                    KINDS[span.kind],
                    span.trace_id.hex(),
                    span.trace_state,
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    tuple(link.span_id.hex() for link in span.links),
                    _values(span.attributes),
                    span.status.code == ERROR,
                    span.status.message,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    resource,
                )


def _values(attributes: Iterable[KeyValue]) -> dict[str, object]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value")
        for each in attributes
    }


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """Listen on a free port of this machine until the block ends."""
    collector, listening, loop = Collector(), threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        app = web.Application(client_max_size=2**26)
        app.add_routes([web.post("/v1/traces", collector.take)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        collector.port = runner.addresses[0][1]
        listening.set()
        await done.wait()
        await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as asyncio_runner:
            asyncio_runner.run(serve())

    thread = threading.Thread(target=run, name="collector", daemon=True)
    thread.start()
    assert listening.wait(10)
    try:
        yield collector
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
