"""The W3C trace context of a request: https://www.w3.org/TR/trace-context/."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

TRACEPARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(?P<more>-.*)?"
)
"""The header's value; versions after 00 may add more parts."""


@dataclass(frozen=True)
class Trace:
    """The trace that a request belongs to, and the caller's span that sent the request."""

    trace_id: str
    span_id: str


def trace_of(headers: Sequence[str]) -> Trace | None:
    """Return the trace of the `traceparent` headers; None unless there is one valid header."""
    match = TRACEPARENT.fullmatch(headers[0].strip()) if len(headers) == 1 else None
    if match is None or match["version"] == "ff" or (match["version"] == "00" and match["more"]):
        return None
    if not match["trace"].strip("0") or not match["span"].strip("0"):
        return None
    return Trace(match["trace"], match["span"])
