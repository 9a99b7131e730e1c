"""Budgets of bytes: bodies that have not been dealt with, and large answers that are being sent.

The number of requests says nothing of the memory that they take. So these bytes are counted, and
what would exceed a budget is refused, before its body is read or its answer is begun. What is small
passes where what is large does not, so that large requests cannot keep small ones out.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.errors import Overloaded
from shared.log import get_logger

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

SMALL_BODY: Final = 16 * 1024
"""Bytes up to which a body may take the last quarter of its budget too."""

SMALL_ANSWER: Final = 64 * 1024
"""Bytes up to which an answer is not counted; it is no more than buffers of sockets hold."""

PIECE: Final = 64 * 1024
"""Bytes of a large answer that are given to its connection at a time."""

STALLED_SECONDS: Final = 5.0
"""Seconds without a piece taken, after which a reader is cut off if its room is needed."""

BODIES_DETAIL: Final = "This gateway is reading too many bytes of bodies; try again a little later."
ANSWERS_DETAIL: Final = "Too many large answers are being sent; try again a little later."


class BodyBudget:
    """Counts the bytes of bodies that are being read, parsed or stored."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0

    def require(self, share: BodyShare, size: int) -> None:
        """Raise `Overloaded` if a share may not grow to this size."""
        others = self.held - share.size
        limit = self._limit if size <= SMALL_BODY else self._limit * 3 // 4
        if others and others + size > limit:  # one body alone may be as large as the largest
            raise Overloaded(BODIES_DETAIL)


class BodyShare:
    """The bytes that one request's body holds of the budget."""

    __slots__ = ("_budget", "size")

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.size = 0

    def require(self, size: int) -> None:
        """Raise `Overloaded` if the body may not have this size."""
        self._budget.require(self, size)

    def resize(self, size: int) -> None:
        """Hold this many bytes. Raises `Overloaded` and holds what it held."""
        if size > self.size:
            self._budget.require(self, size)
        self._budget.held += size - self.size
        self.size = size


@dataclass(eq=False, slots=True)
class AnswerReader:
    """A connection that is sent a large answer; `moved_at` is when it last took a piece."""

    transport: asyncio.BaseTransport | None
    moved_at: float = field(default_factory=time.monotonic)


@dataclass(eq=False, slots=True)
class SharedAnswer:
    """The bytes of a large answer, one copy for all its readers."""

    raw: bytes
    readers: set[AnswerReader] = field(default_factory=set)

    def idle_since(self) -> float:
        return max(reader.moved_at for reader in self.readers)


class AnswerBudget:
    """Counts the bytes of large answers that are being sent, each content once.

    When there is no room for another one, contents whose readers all take nothing make room.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._shared: dict[str, SharedAnswer] = {}
        self.held = 0
        self._log = get_logger()

    def require(self, key: str, size: int) -> None:
        """Make room for a content. Raises `Overloaded` if there is none."""
        if key in self._shared:
            return
        before = time.monotonic() - STALLED_SECONDS
        stalled = sorted(
            (key for key, shared in self._shared.items() if shared.idle_since() < before),
            key=lambda key: self._shared[key].idle_since(),
        )
        while self.held and self.held + size > self._limit:  # one content is always allowed
            if not stalled:
                raise Overloaded(ANSWERS_DETAIL)
            self._cut(stalled.pop(0))

    @contextlib.contextmanager
    def sending(
        self, key: str, raw: bytes, transport: asyncio.BaseTransport | None
    ) -> Iterator[tuple[AnswerReader, bytes]]:
        """Hold a content while it is sent; gives the one copy of its bytes.

        `key` is equal for equal bytes only.
        """
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = SharedAnswer(raw)
            self.held += len(raw)
        reader = AnswerReader(transport)
        shared.readers.add(reader)
        del raw  # the caller's copy, if it is another one
        try:
            yield reader, shared.raw
        finally:
            shared.readers.discard(reader)
            if not shared.readers:
                self._remove(key, shared)

    def _cut(self, key: str) -> None:
        shared = self._shared[key]
        self._log.warning("slow readers cut off", readers=len(shared.readers))
        for reader in shared.readers:
            if reader.transport is not None and hasattr(reader.transport, "abort"):
                reader.transport.abort()
        self._remove(key, shared)

    def _remove(self, key: str, shared: SharedAnswer) -> None:
        if self._shared.get(key) is shared:
            del self._shared[key]
            self.held -= len(shared.raw)
