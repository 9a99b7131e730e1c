"""What the gateway asks of the server: async verbs over the blocking calls of `calls.py`."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from gateway.backend.calls import Calls
from gateway.backend.cancellation import Cancellation
from gateway.backend.parts import NEWEST_COUNT
from gateway.backend.searches import Searches
from gateway.backend.server.readiness import Readiness
from gateway.backend.server.releases import RELEASE_THREADS, Releases
from gateway.backend.server.slot_maps import SlotMaps
from gateway.backend.values import ValueReader
from gateway.concurrency.paced_executor import PacedExecutor
from gateway.concurrency.threads import BoundedExecutor
from gateway.concurrency.turns import Turns
from gateway.errors import BackendUnavailable, Saturated
from shared.log import get_logger
from shared.resonate.store import PAGE
from shared.resonate.transport import Refused, Transport, Unanswered, unheard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractAsyncContextManager

    from gateway.backend.signals.delivery import Delivery
    from gateway.concurrency.threads import Load
    from gateway.model.execution import Execution, NewExecution
    from gateway.model.stored_promise import StoredPromise
    from gateway.settings import GatewaySettings
    from shared.resonate.transport import Called

QUEUED: Final = 64
"""Searches that wait for their turn, and as many reads of a further page of a long history, each of
which costs the server as much as the whole history is long."""

VALUE_THREADS: Final = 2
"""Threads that read large values: reading one takes about five times its size meanwhile."""


class Backend:
    """Starts and reads executions; without a usable answer verbs raise `BackendUnavailable`."""

    def __init__(self, settings: GatewaySettings, called: Called = unheard) -> None:
        deadlines = settings.deadlines
        self._transport = Transport(
            settings.server,
            attempt=deadlines.store_attempt,
            budget=deadlines.store_budget,
            called=called,
        )
        self.clock, self.name = self._transport.clock, uuid.uuid4().hex
        self._calls = Calls(self._transport, self.name, settings.worker_group)
        self._executor = BoundedExecutor(settings.threads, settings.queue, deadlines.offload)
        self.given_up_ended = self._executor.given_up_ended
        self._signals = Turns(deadlines.offload)
        pings = BoundedExecutor(1, 1, deadlines.offload)
        reads = BoundedExecutor(VALUE_THREADS, settings.queue, deadlines.offload)
        releases = BoundedExecutor(RELEASE_THREADS, settings.queue, deadlines.offload)
        others_work = self._executor.has_callers
        self._pages = PacedExecutor(QUEUED, deadlines.offload, others_work)
        searches = PacedExecutor(QUEUED, deadlines.offload, others_work)
        self._executors = (self._executor, pings, reads, releases, self._pages, searches)
        self._below = Cancellation(self._calls.cancel_below, self._ask)
        ask = partial(self._ask, executor=pings)
        self._readiness = Readiness(self._transport, self.name, ask)
        self.searches = Searches(self._calls, partial(self._ask, executor=searches))
        self.releases = Releases(self._transport, self.name, partial(self._ask, executor=releases))
        self.keep_slot_map = SlotMaps(self._transport, partial(self._ask, executor=releases)).keep
        self.values = ValueReader(self._transport, partial(self._ask, executor=reads))
        self._log = get_logger()

    async def begin(self, new: NewExecution) -> tuple[Execution, bool]:
        """Store the execution, or find it; returns also whether this request created it.

        If a callback is given, the webhook's execution is stored too, unless it exists. Raises
        `IdReused` when the id belongs to another function or another input.
        """
        return await self._ask(self._calls.begin, new)

    async def replayed(self, id: str, fingerprint: str) -> Execution | None:
        """Return the execution of this id if it was begun with this fingerprint, else None."""
        return await self._ask(self._calls.replayed, id, fingerprint)

    async def read(self, id: str, *, with_steps: bool = False) -> Execution:
        """Return the execution as it is now. Raises `UnknownExecution`."""
        return await self._ask(self._calls.read, id, with_steps)

    async def read_root(self, id: str) -> Execution:
        """Return the execution with one call, without its activity. Raises as `read`."""
        return await self._ask(self._calls.read_root, id)

    async def history(
        self,
        id: str,
        known: Collection[str],
        unfinished: Collection[str],
        slot: AbstractAsyncContextManager[object],
    ) -> tuple[Execution, list[StoredPromise]]:
        """Return the execution and then, read after it, what it created, newest first.

        The execution and the first page are read within `slot`; further pages of all histories are
        read one at a time.

        Stops once a page has only `known` ids and every `unfinished` id was seen. Raises
        `UnknownExecution`.
        """
        # With several unfinished children the one that ended may be old: read full pages.
        limit = NEWEST_COUNT if known and len(unfinished) < 2 else PAGE
        parts: list[StoredPromise] = []
        unseen = set(unfinished)
        read = self._calls.parts_of
        async with slot:
            root = await self.read_root(id)
            page, after = await self._ask(read, id, limit, None)
        while True:
            parts += page
            unseen -= {part.id for part in page}
            if after is None or not (unseen or any(part.id not in known for part in page)):
                return root, parts
            page, after = await self._ask(read, id, limit, after, executor=self._pages)

    async def cancel(self, id: str, reason: str | None) -> Execution:
        """End an execution and its children; one that was canceled before is returned as it is.

        Raises `UnknownExecution`, and `AlreadyDone` if it has ended in another way.
        """
        execution = await self._ask(self._calls.cancel, id, reason)
        await self._below.cancel(id)
        return execution

    async def signal(self, id: str, name: str, value_json: str, key: str | None) -> Delivery:
        """Deliver a value, as canonical JSON, unless one was delivered with the same key before.

        Raises `UnknownExecution`, `SignalConflict` for a value that comes too late and for a key of
        another value, and `TooManyValues`.
        """
        # Senders of one signal want the same number: at once, all but one would try in vain.
        async with self._signals.turn((id, name)):
            return await self._ask(self._calls.signal, id, name, value_json, key)

    async def subscribe(self, id: str) -> Execution:
        """Have the server notify this gateway of the execution's end; notifications may get lost.

        Returns what `read_root` returns; if the execution has ended, no notification comes.
        """
        return await self._ask(self._calls.subscribe, id)

    def decode(self, promise: dict[str, Any]) -> Execution:
        """Return the execution in a notification. Raises `NOT_AS_EXPECTED` for anything else."""
        return self._calls.decode(promise)

    async def ping(self, seconds: float | None = None) -> None:
        """Return once the server has answered and written; callers at one time share the calls.

        Raises `Saturated` if other calls would be refused, and `StoreNotWritable`. What has not
        come within `seconds` counts as failed.
        """
        if self._executor.is_full():
            raise Saturated("Too many calls are running.")
        await self._readiness.check(seconds)

    @property
    def load(self) -> Load:
        """How many calls run and wait."""
        return self._executor.load

    def close(self) -> None:
        """Take no more calls."""
        self._below.close()
        for executor in self._executors:
            executor.close()
        self._transport.close()

    async def _ask[T](
        self,
        call: Callable[..., T],
        *arguments: Any,
        executor: BoundedExecutor | PacedExecutor | None = None,
    ) -> T:
        try:
            return await (executor or self._executor).run(call, *arguments)
        except Unanswered as error:
            self._log.warning("server not reached", reason=str(error))
            raise BackendUnavailable(
                "The Resonate server cannot be reached; repeat with the same id."
            ) from error
        except Refused as refusal:
            self._log.error("server refused", reason=str(refusal))
            raise BackendUnavailable("The Resonate server refused the call.") from refusal
