"""A span of OpenTelemetry behind the methods of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    StatusCode,
    TraceFlags,
    TraceState,
)

from shared.telemetry.spans import KNOWN_FLAGS, Span, TraceContext

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

EXECUTION: Final = "durable_http.execution.id"
ERROR_TYPE: Final = "error.type"


class RecordedSpan(Span):
    """A span that is sent when it has ended, if its trace is sampled."""

    def __init__(self, span: trace.Span) -> None:
        self.span = span

    @property
    def context(self) -> TraceContext:
        made = self.span.get_span_context()
        flags = f"{made.trace_flags & KNOWN_FLAGS:02x}"
        state = made.trace_state.to_header() if made.trace_state else ""
        return TraceContext(f"{made.trace_id:032x}", f"{made.span_id:016x}", flags, state)

    def current(self) -> AbstractContextManager[object]:
        # An exception's text and traceback may have values in them.
        return trace.use_span(
            self.span, end_on_exit=False, record_exception=False, set_status_on_exception=False
        )

    def answered(self, status: int, execution: str | None = None) -> None:
        if self.span.is_recording():
            self.span.set_attribute("http.response.status_code", status)
            if execution is not None:
                self.span.set_attribute(EXECUTION, execution)
        if status >= 500:
            self.failed(str(status))
        else:
            self.end()

    def failed(self, error: str) -> None:
        if self.span.is_recording():
            self.span.set_attribute(ERROR_TYPE, error)
            self.span.set_status(StatusCode.ERROR)
        self.end()

    def end(self) -> None:
        if self.span.is_recording():
            self.span.end()


def remote(trace_id: int, span_id: int, flags: int, state: str = "") -> SpanContext:
    """Return the context of a span that another process has made, or this one before."""
    found = TraceState.from_header([state]) if state else None
    return SpanContext(
        trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags), trace_state=found
    )


def below(parent: TraceContext | None) -> Context:
    """Return where a span begins that belongs to `parent`, which another process has made."""
    if parent is None:
        return Context()
    ids = int(parent.trace_id, 16), int(parent.span_id, 16)
    made = remote(*ids, int(parent.flags, 16), parent.state)
    return trace.set_span_in_context(NonRecordingSpan(made), Context())
