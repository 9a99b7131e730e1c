"""Ids of spans that another process can compute.

The span of a run has an id that follows from its claim. So the worker that goes on with an
execution after a crash can link its own span to one that its owner had no time to send.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Final

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

SPAN_BYTES: Final = 8
TRACE_BYTES: Final = 16


def span_id_of(trace_id: int, key: str) -> int:
    """Return the id of the span of a claim's run, by the claim's key."""
    return _hashed(f"{trace_id:032x}/{key}", SPAN_BYTES)


def trace_id_of(execution: str, created_at: int) -> int:
    """Return the id of the trace of an execution that was begun in none."""
    return _hashed(f"{execution}/{created_at}", TRACE_BYTES)


def _hashed(text: str, size: int) -> int:
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:size]) or 1  # zero is no id


class ChosenIds(RandomIdGenerator):
    """Random ids, except for the next span of a thread that has chosen its own."""

    def __init__(self) -> None:
        self._chosen = threading.local()

    def choose(self, trace_id: int, span_id: int) -> None:
        """Give the next span that this thread begins this id, and this trace's if it is a root."""
        self._chosen.trace, self._chosen.span = trace_id, span_id

    def forget(self) -> None:
        """Give the next span a random id."""
        self._chosen.trace = self._chosen.span = None

    def generate_span_id(self) -> int:
        return getattr(self._chosen, "span", None) or super().generate_span_id()

    def generate_trace_id(self) -> int:
        return getattr(self._chosen, "trace", None) or super().generate_trace_id()
