"""The W3C trace context of a request: https://www.w3.org/TR/trace-context/."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from shared.telemetry.spans import KNOWN_FLAGS, TraceContext

if TYPE_CHECKING:
    from collections.abc import Sequence

TRACEPARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-"
    r"(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
"""The header's value; versions after 00 may add more parts."""


def trace_of(headers: Sequence[str]) -> TraceContext | None:
    """Return the caller's span of the `traceparent` headers; None unless one valid one is there.

    Flags of which this version of the header says nothing are left out, as it asks for.
    """
    match = TRACEPARENT.fullmatch(headers[0].strip()) if len(headers) == 1 else None
    if match is None or match["version"] == "ff" or (match["version"] == "00" and match["more"]):
        return None
    if not match["trace"].strip("0") or not match["span"].strip("0"):
        return None
    flags = int(match["flags"], 16) & KNOWN_FLAGS
    return TraceContext(match["trace"], match["span"], f"{flags:02x}")
