"""Ends what many wait for at once, at a cost for each that does not grow with their number."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Ending:
    """What may end before it is there, for example because nobody is there to give it."""

    def __init__(self) -> None:
        self._awaited: set[asyncio.Future[Any]] = set()

    def end(self) -> None:
        """End all that is waited for now."""
        for each in tuple(self._awaited):
            each.cancel()

    async def before[T](self, awaited: asyncio.Future[T], close: Callable[[T], object]) -> T | None:
        """Return the result, None if the end comes before it.

        A result that comes in the moment in which the caller is canceled is closed.
        """
        self._awaited.add(awaited)
        try:
            return await awaited
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if awaited.cancelled() and not (caller is not None and caller.cancelling()):
                return None
            awaited.cancel()
            awaited.add_done_callback(lambda done: _close(done, close))
            raise
        finally:
            self._awaited.discard(awaited)


def _close[T](done: asyncio.Future[T], close: Callable[[T], object]) -> None:
    if not done.cancelled() and done.exception() is None:
        close(done.result())
