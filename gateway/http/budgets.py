"""Budgets of bytes: bodies that have not been dealt with, and large answers until they are sent.

The number of requests says nothing of the memory that they take. So these bytes are counted, and
what would exceed a budget is refused: before a body is read from its client, and before a value is
read from the server for an answer. What is small passes where what is large does not, so that large
requests cannot keep small ones out.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import Overloaded, ServiceError
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

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
    """The bytes that one request's body holds of each of its budgets, mostly one."""

    __slots__ = ("_budgets", "size")

    def __init__(self, budget: BodyBudget) -> None:
        self._budgets = [budget]
        self.size = 0

    def count_in(self, budget: BodyBudget) -> None:
        """Hold bytes of one more budget too, from now on. No bytes are held yet."""
        self._budgets.append(budget)

    def require(self, size: int) -> None:
        """Raise `Overloaded` if the body may not have this size."""
        for budget in self._budgets:
            budget.require(self, size)

    def resize(self, size: int) -> None:
        """Hold this many bytes. Raises `Overloaded` and holds what it held."""
        if size > self.size:
            self.require(size)
        for budget in self._budgets:
            budget.held += size - self.size
        self.size = size


@dataclass(eq=False, slots=True)
class AnswerReader:
    """A connection that is sent a large answer; `moved_at` is when it last took a piece."""

    transport: asyncio.BaseTransport | None
    moved_at: float = field(default_factory=time.monotonic)


class SharedContent:
    """The bytes of a large answer, one copy for all `holders`, from before they are read."""

    def __init__(self, key: str, size: int) -> None:
        self.key = key
        self.counted = 0 if size <= SMALL_ANSWER else size
        self.raw: bytes | None = None
        self.reading: asyncio.Task[bytes] | None = None
        self.holders = 0
        self.readers: set[AnswerReader] = set()

    def idle_since(self) -> float:
        """Return when one of its holders last took a piece; now, if one is not being sent yet.

        What is not counted makes no room, so it never counts as idle.
        """
        if not self.counted or len(self.readers) < self.holders:
            return time.monotonic()
        return max(reader.moved_at for reader in self.readers)


class AnswerBudget:
    """Counts the bytes of large answers that are being read or sent, each content once.

    When there is no room for another one, contents whose readers all take nothing make room.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._shared: dict[str, SharedContent] = {}
        self.held = 0
        self._log = get_logger()

    def hold(self, key: str, size: int) -> HeldContent:
        """Hold a content of about this size. Raises `Overloaded` if there is no room for it.

        `key` is equal for equal bytes only.
        """
        shared = self._shared.get(key)
        if shared is None:
            shared = SharedContent(key, size)
            self._make_room(shared.counted)
            self._shared[key] = shared
            self.held += shared.counted
        shared.holders += 1
        return HeldContent(self, shared)

    def _make_room(self, size: int) -> None:
        before = time.monotonic() - STALLED_SECONDS
        stalled = sorted(
            (found for found in self._shared.values() if found.idle_since() < before),
            key=SharedContent.idle_since,
        )
        # One content is always allowed.
        while size and self.held and self.held + size > self._limit:
            if not stalled:
                raise Overloaded(ANSWERS_DETAIL)
            self._cut(stalled.pop(0))

    def _cut(self, shared: SharedContent) -> None:
        self._log.warning("slow readers cut off", readers=len(shared.readers))
        for reader in shared.readers:
            if reader.transport is not None and hasattr(reader.transport, "abort"):
                reader.transport.abort()
        self._remove(shared)

    def release(self, shared: SharedContent) -> None:
        """Count one holder of a content less; without any the content is dropped."""
        shared.holders -= 1
        if not shared.holders:
            self._remove(shared)
            if shared.reading is not None:
                shared.reading.cancel()

    def _remove(self, shared: SharedContent) -> None:
        if self._shared.get(shared.key) is shared:
            del self._shared[shared.key]
            self.held -= shared.counted


class HeldContent:
    """One answer's hold of a content, until it is released or forgotten."""

    def __init__(self, budget: AnswerBudget, shared: SharedContent) -> None:
        self._shared = shared
        self.release = weakref.finalize(self, budget.release, shared)
        """Give the content back; once is enough, and more do no harm."""
        self.release.atexit = False

    @property
    def raw(self) -> bytes:
        """The bytes. Raises `RuntimeError` before they are set or read, and after the release."""
        if self._shared.raw is None or not self.release.alive:
            raise RuntimeError("the content is not held")
        return self._shared.raw

    def set(self, raw: bytes) -> None:
        """Give the bytes, unless another answer has."""
        if self._shared.raw is None:
            self._shared.raw = raw

    async def read(self, read: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        """Return the bytes, from one call of `read` for all that hold the content.

        Raises what `read` raises, and releases the content then.
        """
        shared = self._shared
        if shared.raw is None:
            if shared.reading is None:
                shared.reading = asyncio.create_task(read())
                shared.reading.add_done_callback(_retrieve)
            try:
                self.set(await asyncio.shield(shared.reading))
            except BaseException as error:
                self.release()
                if isinstance(error, ServiceError):
                    raise copy.copy(error) from None  # raised in many tasks, it would grow
                raise
        return self.raw

    @contextlib.contextmanager
    def sending(self, transport: asyncio.BaseTransport | None) -> Iterator[AnswerReader]:
        """Count as one that takes the content, until the block ends; then release it."""
        reader = AnswerReader(transport)
        self._shared.readers.add(reader)
        try:
            yield reader
        finally:
            self._shared.readers.discard(reader)
            self.release()


def _retrieve(reading: asyncio.Task[bytes]) -> None:
    """Take the error of a task that nobody waits for; asyncio would log a complaint."""
    if not reading.cancelled():
        reading.exception()
