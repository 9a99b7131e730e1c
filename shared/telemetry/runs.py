"""The spans of a worker: runs of executions, and the steps in them."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from shared.telemetry.ids import span_id_of, trace_id_of
from shared.telemetry.recorded import ERROR_TYPE, EXECUTION, RecordedSpan, below, remote
from shared.telemetry.spans import KNOWN_FLAGS, Run, TraceContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.telemetry.ids import ChosenIds
    from shared.telemetry.spans import ClaimedRun, LostStep

ATTEMPT: Final = "durable_http.attempt"
WORKER: Final = "durable_http.worker"
STEP: Final = "durable_http.step"
STEP_ID: Final = "durable_http.step.id"
OUTCOME: Final = "durable_http.outcome"

LOST: Final = "WorkerLost"
"""The error of what has ended with its worker."""

ABANDONED: Final = "Abandoned"
"""The error of a step whose run has ended without it."""

TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
ORIGIN: Final = re.compile(r"(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")


class RecordedRun(Run):
    """The span of one claim's run. Safe to use from any thread."""

    def __init__(self, tracer: trace.Tracer, ids: ChosenIds, claimed: ClaimedRun) -> None:
        self._tracer = tracer
        self._ids = ids
        self._claimed = claimed
        stored = _stored_context(claimed)
        known = claimed.trace_id if TRACE_ID.fullmatch(claimed.trace_id or "") else None
        self._trace_id = (
            int(known, 16) if known else trace_id_of(claimed.execution, claimed.created_at)
        )
        self._parent = below(stored)
        self._open: set[_Step] = set()
        self._lock = threading.Lock()
        self._has_lost = False
        self._has_ended = False
        self._span = RecordedSpan(self._begin(claimed.key, claimed.worker, None))

    @property
    def context(self) -> TraceContext:
        return self._span.context

    def _begin(self, key: str, worker: str, since: int | None) -> trace.Span:
        claimed = self._claimed
        self._ids.choose(self._trace_id, span_id_of(self._trace_id, key))
        try:
            return self._tracer.start_span(
                f"run {claimed.function}",
                self._parent,
                SpanKind.CONSUMER,
                {
                    EXECUTION: claimed.execution,
                    "durable_http.function": claimed.function,
                    "durable_http.version": claimed.version,
                    WORKER: worker,
                },
                start_time=since,
            )
        finally:
            self._ids.forget()

    def step(self, name: str, id: str, attempt: int) -> RecordedSpan:
        attributes: dict[str, str | int] = {**self._of_step(name, id, self._claimed.worker)}
        attributes[ATTEMPT] = attempt
        inside = trace.set_span_in_context(self._span.span)
        step = _Step(
            self._tracer.start_span(f"step {name}", inside, attributes=attributes),
            self._open.discard,
        )
        with self._lock:
            self._open.add(step)
        return step

    def _of_step(self, name: str, id: str, worker: str) -> dict[str, str]:
        return {EXECUTION: self._claimed.execution, STEP: name, STEP_ID: id, WORKER: worker}

    def lost(self, former: str | None, attempt: int, step: LostStep) -> None:
        with self._lock:
            is_first, self._has_lost = not self._has_lost, True
        since = step.since * 1_000_000
        run = None
        if former is not None and is_first:
            run = self._begin(former, step.worker, since)
            run.set_attributes({ATTEMPT: attempt, OUTCOME: "lost"})
        inside = trace.set_span_in_context(run or self._span.span)
        attributes = self._of_step(step.name, step.id, step.worker)
        made = self._tracer.start_span(
            f"step {step.name}", inside, attributes=attributes, start_time=since
        )
        now = max(time.time_ns(), since)  # the server's clock may be ahead
        for span in filter(None, (made, run)):
            span.set_attribute(ERROR_TYPE, LOST)
            span.set_status(StatusCode.ERROR)
            span.end(now)

    def end(
        self, outcome: str, *, attempt: int, former: str | None = None, error: str | None = None
    ) -> None:
        with self._lock:
            if self._has_ended:
                return
            self._has_ended, abandoned = True, list(self._open)
        for step in abandoned:
            step.failed(ABANDONED)
        span = self._span.span
        if span.is_recording():
            span.set_attributes({OUTCOME: outcome, ATTEMPT: attempt})
            if former is not None:
                flags = span.get_span_context().trace_flags
                span.add_link(remote(self._trace_id, span_id_of(self._trace_id, former), flags))
        if error is None:
            self._span.end()
        else:
            self._span.failed(error)


class _Step(RecordedSpan):
    """An attempt of a step, which its run ends if nobody else does."""

    def __init__(self, span: trace.Span, ended: Callable[[_Step], None]) -> None:
        super().__init__(span)
        self._ended = ended

    def end(self) -> None:
        super().end()
        self._ended(self)


def _stored_context(claimed: ClaimedRun) -> TraceContext | None:
    """Return the context in which the execution was begun, None if the span is not known."""
    origin = ORIGIN.fullmatch(claimed.origin or "")
    if origin is None or not TRACE_ID.fullmatch(claimed.trace_id or ""):
        return None
    flags = int(origin["flags"], 16) & KNOWN_FLAGS
    state = claimed.trace_state or ""
    return TraceContext(claimed.trace_id or "", origin["span"], f"{flags:02x}", state)
