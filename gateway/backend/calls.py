"""The only file of the gateway that names the SDK: what is asked of the server, call by call.

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

from gateway.backend.cancellation import cancel_below
from gateway.backend.recovery import with_task_state
from gateway.errors import (
    AlreadyDone,
    IdReused,
    ServiceError,
    SignalConflict,
    UnknownExecution,
)
from gateway.model.execution import activity_of, execution_of, part_of, steps_of
from shared import webhooks
from shared.ids import cancel_key, parts_pattern, signal_id, webhook_id
from shared.resonate import tags as tag
from shared.resonate.client import build_client
from shared.resonate.codec import encode_call
from shared.resonate.store import Store
from shared.resonate.streams import anycast, unicast
from shared.resonate.transport import PROMISE_EXISTS, PROMISE_NOT_FOUND, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from resonate.models.durable_promise import DurablePromise
    from resonate.models.message import Mesg

    from gateway.model.execution import Execution, NewExecution, Part
    from shared.resonate.transport import Transport

GROUP: Final = "gateway"
"""The group of gateways at the message source; no work is sent there."""

NEWEST: Final = 10
"""So many of the newest things that an execution created tell what it is doing."""

SUBSCRIBED_MILLISECONDS: Final = 400 * 24 * 60 * 60 * 1000
"""Longer than any execution, its delay included."""

STEP_PAGES: Final = 10
"""Pages of 100 that are read for an execution's steps; of more steps than that, the newest."""


class Calls:
    """Blocking calls, each promised by the verb of `Backend` that has its name.

    All raise `Unanswered` and `Refused` besides.
    """

    def __init__(self, transport: Transport, name: str, worker_group: str) -> None:
        self._name = name
        self._group = worker_group
        self._store = Store(transport)
        self._client = build_client(self._store, SilentSource(), group=GROUP, pid=name)

    @property
    def address(self) -> str:
        """Where the server finds this gateway."""
        return unicast(GROUP, self._name)

    def begin(self, new: NewExecution) -> tuple[Execution, bool]:
        mark = uuid.uuid4().hex
        remote = Remote(new.id, new.id, new.id, new.function).options(target=self._group)
        starts_at = time.time() + new.delay_seconds
        tags = {tag.REQUEST: mark, tag.KIND: tag.EXECUTION, tag.FUNCTION: new.function}
        if new.delay_seconds:
            tags[tag.DELAY] = str(int(starts_at * 1000))
        if new.callback is not None:
            tags[tag.CALLBACK] = new.callback
        if new.trace_id is not None:
            tags[tag.TRACE] = new.trace_id
        reused = "this id already belongs to another function or another input"
        with _meaning(PROMISE_EXISTS, IdReused(reused, id=new.id)):
            promise = self._client.promises.create(
                new.id,
                int((starts_at + new.timeout_seconds) * 1000),
                ikey=new.fingerprint,
                data=encode_call(new.function, new.version, new.input_json),
                tags={**remote.tags, **tags},
            )
        if tag.CALLBACK in promise.tags:
            self._begin_webhook(promise)
        # Not told from the status: an answer may have been lost and the request repeated.
        return execution_of(promise), promise.tags.get(tag.REQUEST) == mark

    def _begin_webhook(self, execution: DurablePromise) -> None:
        id = webhook_id(execution.id)
        given = {"id": execution.id, "key": execution.ikey_for_create}
        self._client.promises.create(
            id,
            execution.timeout + webhooks.WINDOW_SECONDS * 1000,
            ikey=id,
            data=encode_call(webhooks.FUNCTION, webhooks.VERSION, orjson.dumps(given).decode()),
            tags=Remote(id, id, id, webhooks.FUNCTION).options(target=self._group).tags,
        )

    def glance(self, id: str) -> Execution:
        return _partly(id, self._client.promises.get)

    def watch(self, id: str) -> Execution:
        # The server keeps one subscription of this gateway for an execution, so it must outlive all
        # clients that will ever wait.
        until = int(time.time() * 1000) + SUBSCRIBED_MILLISECONDS
        return _partly(
            id,
            lambda id: self._store.promises.notify(id, f"{self._name}.{id}", self.address, until),
        )

    def read(self, id: str, with_steps: bool) -> Execution:  # noqa: FBT001 - called through a thread
        execution = self.glance(id)
        if execution.done and not with_steps:
            return execution
        created = self._created_by(id, pages=STEP_PAGES) if with_steps else self._newest_of(id)
        seen = activity = activity_of(created)
        if seen is not None and not execution.done:
            activity = with_task_state(seen, created, self._store.tasks, time.time())
        if activity is not seen:  # it may have ended meanwhile
            execution = self.glance(id)
            if execution.done and not with_steps:
                return execution
        return replace(
            execution,
            partial=False,
            activity=activity,
            steps=steps_of(created) if with_steps else (),
        )

    def cancel(self, id: str, reason: str | None) -> Execution:
        value = orjson.dumps({"reason": reason}).decode() if reason is not None else None
        self.glance(id)  # what is none of ours is left alone
        execution = execution_of(self._client.promises.cancel(id, ikey=cancel_key(id), data=value))
        if execution.status != "canceled":
            raise AlreadyDone(
                f"the execution has ended: {execution.status}", id=id, status=execution.status
            )
        return execution

    def cancel_below(self, id: str, seconds: float) -> bool:
        """Cancel what is below an execution for so long; tell whether nothing was left."""
        return cancel_below(self._store.promises, id, seconds)

    def signal(self, id: str, name: str, value_json: str) -> bool:
        execution = self.read(id, with_steps=False)
        promises, promise_id = self._client.promises, signal_id(id, name)
        value = orjson.dumps(value_json).decode()
        if execution.done:
            self._hold_to(promise_id, value, id)
            return False
        # It may come before the function waits for it: whoever is first makes the promise, with the
        # value in it. Should that break off here, the next sender or a worker delivers it.
        mark = uuid.uuid4().hex
        made = promises.create(
            promise_id,
            execution.timeout_at,
            ikey=promise_id,
            data=value,
            tags={tag.SIGNAL: name, tag.REQUEST: mark},
        )
        early = tag.REQUEST in made.tags
        first = not early or made.tags[tag.REQUEST] == mark
        try:
            # Strict, because a promise whose time is over would else take it and tell nobody.
            sent = made.param.data if early else value
            promises.resolve(promise_id, ikey=mark, strict=True, data=sent)
        except Refused as refusal:
            if refusal.status != 403:
                raise
            first = first and early
        self._hold_to(promise_id, value, id)
        return first

    def _hold_to(self, promise_id: str, value: str, id: str) -> None:
        """Raise `SignalConflict` unless the signal was delivered with this value."""
        with _meaning(PROMISE_NOT_FOUND, SignalConflict("the execution has ended", id=id)):
            stored = self._client.promises.get(promise_id)
        if stored.state == "RESOLVED" and stored.value.data == value:
            return
        late = stored.state != "RESOLVED"
        why = "it comes too late" if late else "it was delivered with another value"
        raise SignalConflict(why, id=id)

    def search(
        self,
        pattern: str,
        tags: Mapping[str, str],
        state: str | None,
        limit: int,
        after: int | None,
    ) -> tuple[list[Execution], int | None]:
        found, following = self._store.promises.search(
            pattern, {tag.KIND: tag.EXECUTION, **tags}, state=state, limit=limit, after=after
        )
        return [execution_of(promise) for promise in found], following

    def _newest_of(self, id: str) -> list[DurablePromise]:
        """Return the newest things it created, and unless one is an open step, what is open."""
        pattern, tags = parts_pattern(id), {tag.EXECUTION: id}
        found, _ = self._store.promises.search(pattern, tags, limit=NEWEST)
        if len(found) == NEWEST and not any(p.pending and tag.STEP in p.tags for p in found):
            known = {promise.id for promise in found}
            is_open, _ = self._store.promises.search(pattern, tags, state="pending")
            found += [promise for promise in is_open if promise.id not in known]
        return found

    def _created_by(self, id: str, *, pages: int) -> list[DurablePromise]:
        created: list[DurablePromise] = []
        after: int | None = None
        for _ in range(pages):
            found, after = self._store.promises.search(
                parts_pattern(id), {tag.EXECUTION: id}, after=after
            )
            created += found
            if after is None:
                break
        return created

    def parts_of(self, id: str, limit: int, after: int | None) -> tuple[list[Part], int | None]:
        found, following = self._store.promises.search(
            parts_pattern(id), {tag.EXECUTION: id}, limit=limit, after=after
        )
        return [part_of(promise) for promise in found], following

    def told(self, promise: dict[str, Any]) -> Execution:
        return execution_of(self._store.promise(promise))

    def ping(self) -> None:
        self._store.ping()


def _partly(id: str, get: Callable[[str], DurablePromise]) -> Execution:
    """Return the execution of a promise, without what the promise alone does not tell."""
    unknown = UnknownExecution("no execution has this id", id=id)
    with _meaning(PROMISE_NOT_FOUND, unknown):
        promise = get(id)
    try:
        execution = execution_of(promise)
    except ValueError as error:  # somebody else's, who writes to the same server
        raise unknown from error
    return execution if execution.done else replace(execution, partial=True)


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

    unicast = unicast(GROUP, "none")
    anycast = anycast(GROUP)

    def start(self) -> None:
        """Open nothing."""

    def stop(self) -> None:
        """Close nothing."""

    def next(self) -> Mesg | None:
        return None

    def enqueue(self, mesg: Mesg) -> None:
        raise RuntimeError(f"not part of this service: sending {mesg}")
