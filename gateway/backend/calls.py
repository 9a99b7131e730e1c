"""The only file of the gateway that names the SDK: what is asked of the server, call by call.

Executions are started and read through the client's `promises`, not through `begin_rpc` and `get`:
their handles show neither whether this request was the first nor the deadline, and waiting for or
cancelling them can end the process. The client is never started, so it has no threads to lose.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson
from resonate.conventions import Remote

from gateway.backend.cancellation import cancel_below
from gateway.backend.id_sample import IdSample, take_sample
from gateway.backend.parts import newest_parts, page_of_parts, parts_with_steps, record_of
from gateway.backend.recovery import with_task_state
from gateway.backend.refusals import existing, refusal_means
from gateway.backend.signals.delivery import Signals
from gateway.errors import AlreadyDone, IdReused, UnknownExecution
from gateway.model.activity import activity_of
from gateway.model.execution import execution_of
from gateway.model.steps import steps_of
from shared import webhooks
from shared.ids import cancel_key, webhook_id
from shared.resonate import tags as tag
from shared.resonate.causes import cause_of
from shared.resonate.client import SilentSource, build_client
from shared.resonate.codec import encode_call, encode_reason
from shared.resonate.large_values import data_of
from shared.resonate.store import Store
from shared.resonate.streams import unicast
from shared.resonate.transport import PROMISE_EXISTS, PROMISE_NOT_FOUND
from shared.settings import GATEWAY_GROUP

if TYPE_CHECKING:
    from collections.abc import Callable

    from resonate.models.durable_promise import DurablePromise

    from gateway.backend.signals.delivery import Delivery
    from gateway.model.execution import Execution, NewExecution
    from gateway.model.stored_promise import StoredPromise
    from shared.resonate.transport import Transport

SUBSCRIBED_MILLISECONDS: Final = 400 * 24 * 60 * 60 * 1000
"""Milliseconds that a subscription lasts: longer than any execution with its delay."""


class Calls:
    """Blocking calls; `Backend` has a verb of the same name for each, which says what it promises.

    All raise `Unanswered` and `Refused` besides.
    """

    def __init__(self, transport: Transport, name: str, worker_group: str) -> None:
        self._name = name
        self._clock = transport.clock
        self._offered = _offered_to(worker_group)
        self._store = Store(transport)
        self._signals = Signals(self._store.promises)
        source = SilentSource(GATEWAY_GROUP)
        self._client = build_client(self._store, source, group=GATEWAY_GROUP, pid=name)

    @property
    def address(self) -> str:
        """Where the server sends this gateway's notifications."""
        return unicast(GATEWAY_GROUP, self._name)

    def begin(self, new: NewExecution) -> tuple[Execution, bool]:
        if not self._clock.measured:
            self._store.ping()
        starts_at = self._clock.time() + new.delay_seconds
        tags = {tag.REQUEST: new.mark, tag.KIND: tag.EXECUTION}
        tags |= {tag.FUNCTION: new.function, tag.VERSION: str(new.version)}
        if new.delay_seconds:
            tags[tag.DELAY] = str(int(starts_at * 1000))
        if new.callback is not None:
            tags[tag.CALLBACK] = new.callback
        reused = "This id already belongs to another function or another input."
        with refusal_means(PROMISE_EXISTS, IdReused(reused, id=new.id)):
            promise = self._client.promises.create(
                new.id,
                int((starts_at + new.timeout_seconds) * 1000),
                ikey=new.fingerprint,
                data=encode_call(new.function, new.version, new.input_json),
                tags={**self._tags_of_root(new.id), **tags, **new.cause.tags},
            )
        if tag.CALLBACK in promise.tags:
            self._begin_webhook(promise)
        # The status would not show this: after a lost answer the call is repeated.
        created = promise.tags.get(tag.REQUEST) == new.mark
        return execution_of(stored(promise)), created

    def replayed(self, id: str, fingerprint: str) -> Execution | None:
        promise = existing(id, self._client.promises.get)
        if promise is None or promise.ikey_for_create != fingerprint:
            return None
        if tag.CALLBACK in promise.tags:
            self._begin_webhook(promise)
        return execution_of(stored(promise))

    def _begin_webhook(self, execution: DurablePromise) -> None:
        id = webhook_id(execution.id)
        value = {"id": execution.id, "key": execution.ikey_for_create}
        self._client.promises.create(
            id,
            execution.timeout + webhooks.WINDOW_SECONDS * 1000,
            ikey=id,
            data=encode_call(webhooks.FUNCTION, webhooks.VERSION, orjson.dumps(value).decode()),
            tags={**self._tags_of_root(id), **cause_of(execution.tags).tags},
        )

    def _tags_of_root(self, id: str) -> dict[str, str]:
        """Return the SDK's tags of an execution that is nobody's child."""
        return {**self._offered, "resonate:root": id, "resonate:parent": id}

    def read_root(self, id: str) -> Execution:
        return _root(id, self._client.promises.get)

    def subscribe(self, id: str) -> Execution:
        # The server keeps one subscription for each gateway and execution, so it must outlive all
        # clients that will ever wait.
        until = int(self._clock.time() * 1000) + SUBSCRIBED_MILLISECONDS
        return _root(
            id,
            lambda id: self._store.promises.notify(id, f"{self._name}.{id}", self.address, until),
        )

    def read(self, id: str, with_steps: bool) -> Execution:  # noqa: FBT001 - called through a thread
        execution = self.read_root(id)
        if execution.done and not with_steps:
            return execution
        return self.with_activity(execution, with_steps)

    def with_activity(self, execution: Execution, with_steps: bool = False) -> Execution:  # noqa: FBT001, FBT002 - as above
        id, read = execution.id, parts_with_steps if with_steps else newest_parts
        created = read(self._store.promises, id)
        seen = activity = activity_of(created)
        if seen is not None and not execution.done:
            activity = with_task_state(seen, created, self._store.tasks, self._clock.time())
        if activity is not seen:  # it may have ended meanwhile
            execution = self.read_root(id)
            if execution.done and not with_steps:
                return execution
        created = [*created, *filter(None, [execution.only_step])]
        steps = steps_of(created) if with_steps else ()
        return replace(execution, partial=False, activity=activity, steps=steps)

    def cancel(self, id: str, reason: str | None) -> Execution:
        self.read_root(id)  # raises for a promise that is no execution of this service
        promise = self._client.promises.cancel(id, ikey=cancel_key(id), data=encode_reason(reason))
        execution = execution_of(stored(promise))
        if execution.status != "canceled":
            detail = f"The execution has ended: {execution.status}."
            raise AlreadyDone(detail, id=id, status=execution.status)
        return execution

    def cancel_below(self, id: str, seconds: float) -> bool:
        return cancel_below(self._store.promises, id, seconds)

    def signal(self, id: str, name: str, value_json: str, key: str | None) -> Delivery:
        return self._signals.deliver(self.read_root(id), name, value_json, key)

    def search(
        self, pattern: str, limit: int, after: int | None
    ) -> tuple[list[Execution], int | None]:
        found, position = self._store.promises.search(
            pattern, {tag.KIND: tag.EXECUTION}, limit=limit, after=after
        )
        return [_without_activity(stored(promise)) for promise in found], position

    def newest_number(self) -> int:
        _, number = self._store.promises.search("*", {}, limit=1)
        return number or 0

    def sample_ids(self) -> IdSample:
        return take_sample(self._store.promises)

    def parts_of(
        self, id: str, limit: int, after: int | None
    ) -> tuple[list[StoredPromise], int | None]:
        return page_of_parts(self._store.promises, id, limit, after)

    def decode(self, promise: dict[str, Any]) -> Execution:
        return execution_of(stored(self._store.promise(promise)))


def _offered_to(worker_group: str) -> dict[str, str]:
    """Return the SDK's tags that are equal for all executions offered to a group.

    The SDK checks its options with each call, which costs more than all else that a begin does.
    """
    tags = Remote("", "", "", "").options(target=worker_group).tags
    return {name: tags[name] for name in ("resonate:scope", "resonate:invoke")}


def stored(promise: DurablePromise) -> StoredPromise:
    """Return the SDK's record of a promise as one of our own."""
    return record_of(promise, data_of(promise.param), data_of(promise.value))


def _root(id: str, get: Callable[[str], DurablePromise]) -> Execution:
    """Return the execution of a promise, without its activity."""
    unknown = UnknownExecution("No execution has this id.", id=id)
    with refusal_means(PROMISE_NOT_FOUND, unknown):
        promise = get(id)
    try:
        return _without_activity(stored(promise))
    except ValueError as error:  # another program that uses this server has created the promise
        raise unknown from error


def _without_activity(promise: StoredPromise) -> Execution:
    execution = execution_of(promise)
    return execution if execution.done else replace(execution, partial=True)
