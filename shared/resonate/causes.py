"""What has caused an execution, as its tags say: a request, and a span in a trace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from shared.resonate import tags as tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.telemetry.spans import TraceContext


@dataclass(frozen=True, slots=True)
class Cause:
    """The id of the request that began an execution, and the trace in which it was begun.

    `trace_id`, `origin` and `trace_state` are the values of the tags of these names.
    """

    request_id: str | None = None
    trace_id: str | None = None
    origin: str | None = None
    trace_state: str | None = None

    @property
    def tags(self) -> dict[str, str]:
        """The tags of an execution that has this cause."""
        request = {} if self.request_id is None else {tag.REQUEST_ID: self.request_id}
        return {**request, **self.trace_tags}

    @property
    def trace_tags(self) -> dict[str, str]:
        """The tags that put another execution into the same trace."""
        found = {
            tag.TRACE: self.trace_id,
            tag.ORIGIN: self.origin,
            tag.TRACE_STATE: self.trace_state,
        }
        return {name: value for name, value in found.items() if value is not None}

    @property
    def headers(self) -> dict[str, str]:
        """The W3C headers with which a call to somebody else belongs to the same trace."""
        if self.trace_id is None or self.origin is None:
            return {}
        state = {} if self.trace_state is None else {"tracestate": self.trace_state}
        return {"traceparent": f"00-{self.trace_id}-{self.origin}", **state}

    @property
    def log_fields(self) -> dict[str, str]:
        """Fields of every log line about the execution."""
        found = {"request_id": self.request_id, "trace_id": self.trace_id}
        return {name: value for name, value in found.items() if value is not None}

    def within(self, span: TraceContext) -> Cause:
        """Return the same, but below this span."""
        state = span.state or None
        return replace(self, trace_id=span.trace_id, origin=span.origin, trace_state=state)

    def of_request(self, tags: Mapping[str, str]) -> Cause:
        """Return the same with the id of the request that began the execution with these tags."""
        return replace(self, request_id=request_id_of(tags))


NO_CAUSE: Final = Cause()


def request_id_of(tags: Mapping[str, str]) -> str | None:
    """Return the id of the request that began an execution; None if no client has begun it."""
    return tags.get(tag.REQUEST_ID) or tags.get(tag.REQUEST)


def cause_of(tags: Mapping[str, str]) -> Cause:
    """Return the cause of an execution by its tags."""
    return Cause(
        request_id_of(tags), tags.get(tag.TRACE), tags.get(tag.ORIGIN), tags.get(tag.TRACE_STATE)
    )
