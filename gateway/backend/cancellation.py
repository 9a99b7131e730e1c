"""Canceling what is below a canceled execution: its children, and their children."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from gateway.errors import BackendUnavailable
from shared.ids import cancel_key, parts_pattern
from shared.log import get_logger
from shared.resonate import tags as tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.backend.ask import Ask
    from shared.resonate.store import Promises

REQUEST_SECONDS: Final = 1.0
"""Seconds that canceling children may take before the answer; the rest are canceled after it."""

ATTEMPTS: Final = 60
"""Attempts to cancel the remaining children while the server is unreachable, one a second."""


class Cancellation:
    """Cancels children with `cancel_below`, which says whether none is left.

    Should this gateway die first, workers end the remaining children instead of running them.
    """

    def __init__(self, cancel_below: Callable[[str, float], bool], ask: Ask) -> None:
        self._cancel_below = cancel_below
        self._ask = ask
        self._remaining: dict[str, asyncio.Task[None]] = {}
        self._log = get_logger()

    async def cancel(self, id: str) -> None:
        """Cancel what is below this execution; what takes longer goes on after the return."""
        with contextlib.suppress(BackendUnavailable):
            if await self._ask(self._cancel_below, id, REQUEST_SECONDS):
                return
        if id not in self._remaining:
            self._remaining[id] = asyncio.create_task(self._cancel_remaining(id))
            self._remaining[id].add_done_callback(lambda _: self._remaining.pop(id))

    def close(self) -> None:
        """Stop canceling."""
        for task in self._remaining.values():
            task.cancel()

    async def _cancel_remaining(self, id: str) -> None:
        for _ in range(ATTEMPTS):
            try:
                while not await self._ask(self._cancel_below, id, REQUEST_SECONDS):
                    pass
            except BackendUnavailable:
                await asyncio.sleep(1)
            else:
                return
        self._log.warning(
            "children not canceled; workers end those that they are offered", execution=id
        )


def cancel_below(promises: Promises, root: str, seconds: float) -> bool:
    """Cancel pending executions below `root`, for this many seconds at most.

    Returns whether none is left. They become fewer, since a canceled execution begins nothing more;
    a child that was begun just before its parent was canceled is found by the next search.
    """
    end = time.monotonic() + seconds
    wanted = {tag.KIND: tag.CHILD, tag.ROOT: root}
    while True:
        found, _ = promises.search(parts_pattern(root), wanted, state="pending")
        if not found:
            return True
        for child in found:
            if time.monotonic() > end:
                return False
            promises.cancel(child.id, ikey=cancel_key(child.id))
