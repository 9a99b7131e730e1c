"""The only file of the gateway that names the SDK: its blocking calls as async verbs.

Executions are started and read through the client's `promises`. `begin_rpc` and `get` return
handles, which tell neither whether this request was the first nor the deadline, and whose waiting
and cancelling can end the process; the client is never started, so it has no thread to lose.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson
from resonate.conventions import Remote

from gateway.model import activity_of, execution_of, part_of, steps_of
from gateway.offload import Offload
from shared import tags as tag
from shared.client import build_client
from shared.codec import encode_call
from shared.errors import (
    AlreadyDone,
    BackendUnavailable,
    IdReused,
    InvalidRequest,
    ServiceError,
    SignalConflict,
    UnknownExecution,
)
from shared.ids import parts_pattern, signal_id
from shared.log import get_logger
from shared.store import PAGE, Store
from shared.transport import (
    INVALID,
    PROMISE_EXISTS,
    PROMISE_NOT_FOUND,
    Refused,
    Transport,
    Unanswered,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from resonate.models.durable_promise import DurablePromise
    from resonate.models.message import Mesg

    from gateway.model import Execution, NewExecution, Part
    from shared.settings import GatewaySettings

GROUP: Final = "gateway"
"""The group of gateways at the message source; no work is sent there."""

NEWEST: Final = 10
"""So many of the newest things that an execution created tell what it is doing."""

STEP_PAGES: Final = 10
"""Pages of 100 that are read for an execution's steps; of more steps than that, the newest."""


class Engine:
    """Starts and reads executions. Every verb raises `BackendUnavailable` when nothing is known."""

    def __init__(self, settings: GatewaySettings) -> None:
        deadlines = settings.deadlines
        self._transport = Transport(
            settings.server, attempt=deadlines.store_attempt, budget=deadlines.store_budget
        )
        self._store = Store(self._transport)
        self._group = settings.worker_group
        self.name = uuid.uuid4().hex
        self.address = f"poll://uni@{GROUP}/{self.name}"
        self._client = build_client(self._store, SilentSource(), group=GROUP, pid=self.name)
        self._offload = Offload(settings.threads, settings.queue, deadlines.offload)
        self._log = get_logger()

    async def begin(self, new: NewExecution) -> tuple[Execution, bool]:
        """Store the execution, or find it; tell whether this very request created it.

        Raises `IdReused` when the id belongs to another function or input.
        """
        return await self._ask(self._begin, new)

    async def read(self, id: str, *, with_steps: bool = False) -> Execution:
        """Return the execution as it is now. Raises `UnknownExecution`."""
        return await self._ask(self._read, id, with_steps)

    async def history(self, id: str, known: Collection[str]) -> tuple[Execution, list[Part]]:
        """Return the execution and then, read after it, what it created, newest first.

        Reading ends where everything is among the `known` ids. Raises `UnknownExecution`.
        """
        root = await self._ask(self._get, id)
        limit = NEWEST if known else PAGE
        parts: list[Part] = []
        cursor: str | None = None
        while True:
            page, cursor = await self._ask(self._parts_of, id, limit, cursor)
            parts += page
            if cursor is None or all(part.id in known for part in page):
                return root, parts

    async def cancel(self, id: str, reason: str | None) -> Execution:
        """End an execution; one that was canceled before is returned as it is.

        Raises `UnknownExecution`, and `AlreadyDone` if it ended in another way.
        """
        return await self._ask(self._cancel, id, reason)

    async def signal(self, id: str, name: str, value_json: str) -> bool:
        """Deliver a value, equal text for equal values; False if it had been delivered before.

        Raises `UnknownExecution`, and `SignalConflict` for another value or one that comes late.
        """
        return await self._ask(self._signal, id, name, value_json)

    async def search(
        self,
        pattern: str,
        tags: Mapping[str, str],
        state: str | None,
        limit: int,
        cursor: str | None,
    ) -> tuple[list[Execution], str | None]:
        """Return a page of executions, newest first, and the server's cursor to the next.

        `state` is the server's. Raises `InvalidRequest` for a cursor that is not the server's.
        """
        return await self._ask(self._search, pattern, tags, state, limit, cursor)

    async def subscribe(self, id: str, timeout_at: int) -> bool:
        """Have the server tell `self.address` of the execution's end; the message may get lost.

        False if it has ended already.
        """
        return await self._ask(self._subscribe, id, timeout_at)

    async def ping(self) -> None:
        """Return if the server answers."""
        await self._ask(self._ping)

    def close(self) -> None:
        self._offload.close()
        self._transport.close()

    async def _ask[T](self, call: Callable[..., T], *arguments: Any) -> T:
        try:
            return await self._offload.run(call, *arguments)
        except Unanswered as error:
            self._log.warning("server not reached", reason=str(error))
            raise BackendUnavailable("the server cannot be reached") from error
        except Refused as refusal:
            self._log.error("server refused", reason=str(refusal))
            raise BackendUnavailable("the server refused the call") from refusal

    def _begin(self, new: NewExecution) -> tuple[Execution, bool]:
        mark = uuid.uuid4().hex
        remote = Remote(new.id, new.id, new.id, new.function).options(target=self._group)
        starts_at = time.time() + new.delay_seconds
        tags = {tag.REQUEST: mark, tag.KIND: tag.EXECUTION, tag.FUNCTION: new.function}
        if new.delay_seconds:
            tags[tag.DELAY] = str(int(starts_at * 1000))
        reused = "this id already belongs to another function or another input"
        with _meaning(PROMISE_EXISTS, IdReused(reused, id=new.id)):
            promise = self._client.promises.create(
                new.id,
                int((starts_at + new.timeout_seconds) * 1000),
                ikey=new.fingerprint,
                data=encode_call(new.function, new.version, new.input_json),
                tags={**remote.tags, **tags},
            )
        # Not told from the status: an answer may have been lost and the request repeated.
        return execution_of(promise), promise.tags.get(tag.REQUEST) == mark

    def _get(self, id: str) -> Execution:
        unknown = UnknownExecution("no execution has this id", id=id)
        with _meaning(PROMISE_NOT_FOUND, unknown):
            promise = self._client.promises.get(id)
        try:
            return execution_of(promise)
        except ValueError as error:  # somebody else's, who writes to the same server
            raise unknown from error

    def _read(self, id: str, with_steps: bool) -> Execution:  # noqa: FBT001 - called through a thread
        execution = self._get(id)
        if execution.done and not with_steps:
            return execution
        created = self._created_by(id, pages=STEP_PAGES) if with_steps else self._newest_of(id)
        return replace(
            execution,
            activity=activity_of(created),
            steps=steps_of(created) if with_steps else [],
        )

    def _cancel(self, id: str, reason: str | None) -> Execution:
        value = orjson.dumps({"reason": reason}).decode() if reason is not None else None
        with _meaning(PROMISE_NOT_FOUND, UnknownExecution("no execution has this id", id=id)):
            promise = self._client.promises.cancel(id, ikey=f"cancel-{id}", data=value)
        execution = execution_of(promise)
        if execution.status != "canceled":
            raise AlreadyDone(
                f"the execution has ended: {execution.status}", id=id, status=execution.status
            )
        return execution

    def _signal(self, id: str, name: str, value_json: str) -> bool:
        execution = self._read(id, with_steps=False)
        promises, promise_id = self._client.promises, signal_id(id, name)
        value = orjson.dumps(value_json).decode()
        if execution.done:
            return self._delivered_before(promise_id, value, id)
        # It may come before the function waits for it: whoever is first makes the promise.
        promises.create(promise_id, execution.timeout_at, ikey=promise_id, tags={tag.SIGNAL: name})
        try:
            # Strict, because a promise whose time is over would else take it and tell nobody.
            promises.resolve(promise_id, ikey=self.name + uuid.uuid4().hex, strict=True, data=value)
        except Refused as refusal:
            if refusal.status != 403:
                raise
            return self._delivered_before(promise_id, value, id)
        return True

    def _delivered_before(self, promise_id: str, value: str, id: str) -> bool:
        """Return False if the signal has this value. Raises `SignalConflict` if it has not."""
        with _meaning(PROMISE_NOT_FOUND, SignalConflict("the execution has ended", id=id)):
            stored = self._client.promises.get(promise_id)
        if stored.state == "RESOLVED" and stored.value.data == value:
            return False
        late = stored.state != "RESOLVED"
        why = "it comes too late" if late else "it was delivered with another value"
        raise SignalConflict(why, id=id)

    def _search(
        self,
        pattern: str,
        tags: Mapping[str, str],
        state: str | None,
        limit: int,
        cursor: str | None,
    ) -> tuple[list[Execution], str | None]:
        with _meaning(INVALID, InvalidRequest("the cursor is none of ours")):
            found, following = self._store.promises.search(
                pattern, {tag.KIND: tag.EXECUTION, **tags}, state=state, limit=limit, cursor=cursor
            )
        return [execution_of(promise) for promise in found], following

    def _subscribe(self, id: str, timeout_at: int) -> bool:
        return self._store.promises.notify(id, f"{self.name}.{id}", self.address, timeout_at)

    def _newest_of(self, id: str) -> list[DurablePromise]:
        found, _ = self._store.promises.search(parts_pattern(id), {tag.EXECUTION: id}, limit=NEWEST)
        return found

    def _created_by(self, id: str, *, pages: int) -> list[DurablePromise]:
        created: list[DurablePromise] = []
        cursor: str | None = None
        for _ in range(pages):
            found, cursor = self._store.promises.search(
                parts_pattern(id), {tag.EXECUTION: id}, cursor=cursor
            )
            created += found
            if cursor is None:
                break
        return created

    def _parts_of(self, id: str, limit: int, cursor: str | None) -> tuple[list[Part], str | None]:
        found, following = self._store.promises.search(
            parts_pattern(id), {tag.EXECUTION: id}, limit=limit, cursor=cursor
        )
        return [part_of(promise) for promise in found], following

    def _ping(self) -> None:
        self._store.ping()


@contextlib.contextmanager
def _meaning(code: int, error: ServiceError) -> Iterator[None]:
    """Say what a refusal with this code of the server's means in the block."""
    try:
        yield
    except Refused as refusal:
        if refusal.code != code:
            raise
        raise error from refusal


class SilentSource:
    """A message source that has nothing to say: the gateway is sent no work."""

    unicast = f"poll://uni@{GROUP}/none"
    anycast = f"poll://any@{GROUP}/none"

    def start(self) -> None:
        """Open nothing."""

    def stop(self) -> None:
        """Close nothing."""

    def next(self) -> Mesg | None:
        return None

    def enqueue(self, mesg: Mesg) -> None:
        raise RuntimeError(f"not part of this service: sending {mesg}")
