"""What the gateway asks of the server, as async verbs over the blocking calls of `calls.py`."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING, Any, Final

from gateway.backend.calls import NEWEST, Calls
from gateway.concurrency.threads import BoundedExecutor
from gateway.errors import BackendUnavailable, Saturated
from shared.log import get_logger
from shared.resonate.store import PAGE
from shared.resonate.transport import Refused, Transport, Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from gateway.model.execution import Execution, NewExecution, Part
    from gateway.settings import GatewaySettings

CANCEL_SECONDS: Final = 1.0
"""For so long children are canceled before the answer, which must not wait for thousands."""

CANCEL_FAILURES: Final = 60
"""So often canceling the rest of them goes on after the server could not be asked."""


class Backend:
    """Starts and reads executions. Every verb raises `BackendUnavailable` when nothing is known."""

    def __init__(self, settings: GatewaySettings) -> None:
        deadlines = settings.deadlines
        self._transport = Transport(
            settings.server, attempt=deadlines.store_attempt, budget=deadlines.store_budget
        )
        self.name = uuid.uuid4().hex
        self._calls = Calls(self._transport, self.name, settings.worker_group)
        self._executor = BoundedExecutor(settings.threads, settings.queue, deadlines.offload)
        self._canceling: dict[str, asyncio.Task[None]] = {}
        self._aside = BoundedExecutor(1, 1, deadlines.offload)
        self._pinging: asyncio.Task[None] | None = None
        self._log = get_logger()

    async def begin(self, new: NewExecution) -> tuple[Execution, bool]:
        """Store the execution, or find it; tell whether this very request created it.

        What tells of its end is stored as well, if it is to be told and was not stored before.
        Raises `IdReused` when the id belongs to another function or input.
        """
        return await self._ask(self._calls.begin, new)

    async def read(self, id: str, *, with_steps: bool = False) -> Execution:
        """Return the execution as it is now. Raises `UnknownExecution`."""
        return await self._ask(self._calls.read, id, with_steps)

    async def history(
        self, id: str, known: Collection[str], unfinished: Collection[str]
    ) -> tuple[Execution, list[Part]]:
        """Return the execution and then, read after it, what it created, newest first.

        Reading ends where everything is among the `known` ids, once all that was `unfinished` has
        been seen again. Raises `UnknownExecution`.
        """
        root = await self.glance(id)
        # Children that run beside each other may end in any order, far from the newest.
        limit = NEWEST if known and len(unfinished) < 2 else PAGE
        parts: list[Part] = []
        unseen = set(unfinished)
        after: int | None = None
        while True:
            page, after = await self._ask(self._calls.parts_of, id, limit, after)
            parts += page
            unseen -= {part.id for part in page}
            if after is None or not (unseen or any(part.id not in known for part in page)):
                return root, parts

    async def cancel(self, id: str, reason: str | None) -> Execution:
        """End an execution and its children; one that was canceled before is returned as it is.

        Of very many children, some end a little later; should this gateway die before, workers end
        them instead of running them. Raises `UnknownExecution`, and `AlreadyDone` if it ended in
        another way.
        """
        execution = await self._ask(self._calls.cancel, id, reason)
        over = False
        with contextlib.suppress(BackendUnavailable):
            over = await self._cancel_below(id)
        if not over and id not in self._canceling:
            self._canceling[id] = asyncio.create_task(self._cancel_rest(id))
            self._canceling[id].add_done_callback(lambda _: self._canceling.pop(id))
        return execution

    async def _cancel_below(self, id: str) -> bool:
        return await self._ask(self._calls.cancel_below, id, CANCEL_SECONDS)

    async def _cancel_rest(self, id: str) -> None:
        for _ in range(CANCEL_FAILURES):
            try:
                while not await self._cancel_below(id):
                    pass
            except BackendUnavailable:
                await asyncio.sleep(1)
            else:
                return
        self._log.warning("children not canceled; workers end those that they are offered", id=id)

    async def signal(self, id: str, name: str, value_json: str) -> bool:
        """Deliver a value, equal text for equal values; False if it had been delivered before.

        Raises `UnknownExecution`, and `SignalConflict` for another value or one that comes late.
        """
        return await self._ask(self._calls.signal, id, name, value_json)

    async def search(
        self,
        pattern: str,
        tags: Mapping[str, str],
        state: str | None,
        limit: int,
        after: int | None,
    ) -> tuple[list[Execution], int | None]:
        """Return a page of executions, newest first, and the position of its last one.

        `state` is the server's. The same search with that position as `after` is the next page.
        """
        return await self._ask(self._calls.search, pattern, tags, state, limit, after)

    async def glance(self, id: str) -> Execution:
        """Return the execution without what it is at, which costs less. Raises as `read` does."""
        return await self._ask(self._calls.glance, id)

    async def watch(self, id: str) -> Execution:
        """Have the server tell this gateway of the execution's end; the message may get lost.

        Returns what `glance` does; if it has ended already, no message comes.
        """
        return await self._ask(self._calls.watch, id)

    def told(self, promise: dict[str, Any]) -> Execution:
        """Return the execution that a message of the server's is about.

        Raises `NOT_AS_EXPECTED` for what is none of ours.
        """
        return self._calls.told(promise)

    async def ping(self) -> None:
        """Return if the server answers; all who ask at the same time share one look.

        It waits for no other call and keeps none waiting. Raises `Saturated` if there is no room
        for others.
        """
        if self._executor.is_full():
            raise Saturated("too many calls are under way")
        if self._pinging is None:
            self._pinging = asyncio.create_task(self._ask(self._calls.ping, through=self._aside))
            self._pinging.add_done_callback(self._pinged)
        await asyncio.shield(self._pinging)

    def _pinged(self, ping: asyncio.Task[None]) -> None:
        self._pinging = None
        if not ping.cancelled():
            ping.exception()  # whoever waited has it; asyncio would complain if all had gone

    def close(self) -> None:
        for task in self._canceling.values():
            task.cancel()
        self._executor.close()
        self._aside.close()
        self._transport.close()

    async def _ask[T](
        self, call: Callable[..., T], *arguments: Any, through: BoundedExecutor | None = None
    ) -> T:
        try:
            return await (through or self._executor).run(call, *arguments)
        except Unanswered as error:
            self._log.warning("server not reached", reason=str(error))
            raise BackendUnavailable("the server cannot be reached") from error
        except Refused as refusal:
            self._log.error("server refused", reason=str(refusal))
            raise BackendUnavailable("the server refused the call") from refusal
