"""Traces as the rest of the service sees them, and what they are while none are sent: nothing.

`Tracing` and what its methods return do nothing. What sends spans has the same methods.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

KNOWN_FLAGS: Final = 0b11
"""Bits of a trace's flags that have a meaning: it is sampled, its id is random."""

NOTHING: Final = contextlib.nullcontext()


@dataclass(frozen=True)
class TraceContext:
    """A trace, and the span in it that what follows belongs to; `flags` are two hex digits.

    `state` is the `tracestate` that came with the client's span, empty if none did.
    """

    trace_id: str
    span_id: str
    flags: str = "01"
    state: str = ""

    @property
    def origin(self) -> str:
        """The span and the flags, as they are stored beside the trace's id."""
        return f"{self.span_id}-{self.flags}"

    @property
    def headers(self) -> dict[str, str]:
        """The W3C headers of a call that belongs to this span."""
        state = {"tracestate": self.state} if self.state else {}
        return {"traceparent": f"00-{self.trace_id}-{self.origin}", **state}


@dataclass(frozen=True)
class ClaimedRun:
    """What is known of an execution when a claim of it begins to run.

    `key` is the claim's, which no other claim has. `trace_id`, `origin` and `trace_state` are
    stored with the execution, if it was begun in a trace.
    """

    key: str
    execution: str
    created_at: int
    function: str
    version: int
    worker: str
    trace_id: str | None = None
    origin: str | None = None
    trace_state: str | None = None


@dataclass(frozen=True)
class LostStep:
    """A step that ended with its worker; `since` are milliseconds since the epoch."""

    name: str
    id: str
    worker: str
    since: int


class Span:
    """A request, a call or an attempt of a step. What is said of it after its end is ignored."""

    @property
    def context(self) -> TraceContext | None:
        """What belongs to this span gets this context; None while no spans are made."""
        return None

    def current(self) -> AbstractContextManager[object]:
        """Return a block in which this is the span that new ones belong to."""
        return NOTHING

    def answered(self, status: int, execution: str | None = None) -> None:
        """End it with the status of an answer; `execution` is the one that it is about."""

    def failed(self, error: str) -> None:
        """End it with the name of an error."""

    def end(self) -> None:
        """End it, as done."""


class Run:
    """The time for which a worker runs an execution under one claim."""

    @property
    def context(self) -> TraceContext | None:
        """The context of children that begin now; None while no spans are made."""
        return None

    def step(self, name: str, id: str, attempt: int) -> Span:  # noqa: ARG002 - as those that do
        """Begin an attempt of a step."""
        return NO_SPAN

    def lost(self, former: str | None, attempt: int, step: LostStep) -> None:
        """Make the spans that a worker could not send: of its claim `former`, and of its step."""

    def end(
        self, outcome: str, *, attempt: int, former: str | None = None, error: str | None = None
    ) -> None:
        """End it and the steps in it, once; `former` is the claim that ran the execution before."""


class Tracing:
    """Makes spans. No method blocks or raises."""

    def request(
        self,
        method: str,  # noqa: ARG002 - as those that do
        route: str | None,  # noqa: ARG002
        path: str,  # noqa: ARG002
        parent: TraceContext | None,  # noqa: ARG002
    ) -> Span:
        """Begin a client's request."""
        return NO_SPAN

    def call(self, request: bytes, host: str, port: int) -> Span:  # noqa: ARG002
        """Begin a call of the server, if a span is current that has not ended."""
        return NO_SPAN

    def webhook(self, host: str, port: int) -> Span:  # noqa: ARG002
        """Begin a call of a client's URL, of which only the host is told."""
        return NO_SPAN

    def run(self, claimed: ClaimedRun) -> Run:  # noqa: ARG002
        """Begin a run of an execution."""
        return NO_RUN

    def close(self) -> None:
        """Send what was not sent yet, for a few seconds at most."""


NO_SPAN: Final = Span()
NO_RUN: Final = Run()
