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

STATE_MEMBER: Final = re.compile(
    r"(?P<key>[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[ -+\--<>-~]{0,255}[!-+\--<>-~]"
)
"""One of the comma-separated members of `tracestate`: a key, and printable characters."""

MOST_STATE_CHARACTERS: Final = 512
MOST_STATE_MEMBERS: Final = 32
"""Limits of a whole `tracestate`: what everybody passes on, by its specification."""


def trace_of(headers: Sequence[str], states: Sequence[str] = ()) -> TraceContext | None:
    """Return the caller's span of the `traceparent` headers; None unless one valid one is there.

    Flags of which this version of the header says nothing are left out, as it asks for. `states`
    are the `tracestate` headers, which count together; if they are not valid they are left out.
    """
    match = TRACEPARENT.fullmatch(headers[0].strip()) if len(headers) == 1 else None
    if match is None or match["version"] == "ff" or (match["version"] == "00" and match["more"]):
        return None
    if not match["trace"].strip("0") or not match["span"].strip("0"):
        return None
    flags = int(match["flags"], 16) & KNOWN_FLAGS
    return TraceContext(match["trace"], match["span"], f"{flags:02x}", _state_of(states))


def _state_of(headers: Sequence[str]) -> str:
    """Return the members of all `tracestate` headers as one; empty unless all of them are valid."""
    members = [member for each in headers for member in each.split(",")]
    members = [stripped for member in members if (stripped := member.strip(" \t"))]
    state = ",".join(members)
    if len(members) > MOST_STATE_MEMBERS or len(state) > MOST_STATE_CHARACTERS:
        return ""
    keys = {match["key"] for member in members if (match := STATE_MEMBER.fullmatch(member))}
    return state if len(keys) == len(members) else ""  # each valid, and no key twice
