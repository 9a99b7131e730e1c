"""Delivering a signal: a promise `<id>.signal.<name>` that is resolved with the signal's value.

1. The function waits: it created the promise, this call resolves it.
2. Early: the first sender creates it with its value and resolves it.
3. A second sender finds the first one's request and value, and only compares. If the first sender
   died after creating the promise, the second one resolves it with the first one's value.

A worker that meets a promise whose sender died resolves it in the same way.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import orjson

from gateway.backend.refusals import refusal_means
from gateway.errors import SignalConflict
from shared.ids import signal_id
from shared.resonate import tags as tag
from shared.resonate.large_values import data_of, is_same
from shared.resonate.transport import PROMISE_NOT_FOUND, Refused

if TYPE_CHECKING:
    from gateway.model.execution import Execution
    from shared.resonate.store import Promises


def deliver(promises: Promises, execution: Execution, name: str, value_json: str) -> bool:
    """Deliver a value; returns whether this call was the first to do so.

    Raises `SignalConflict` for another value than the delivered one, or one that comes too late.
    """
    id = signal_id(execution.id, name)
    text = orjson.dumps(value_json).decode()
    if execution.done:
        _require_delivered(promises, id, text, execution.id)
        return False
    request = uuid.uuid4().hex
    value = promises.values.stored(id, text)
    promise = promises.create(
        id,
        execution.timeout_at,
        ikey=id,
        data=value,
        tags={tag.SIGNAL: name, tag.REQUEST: request},
    )
    early = tag.REQUEST in promise.tags
    first = not early or promise.tags[tag.REQUEST] == request
    try:
        # `strict`, because the server otherwise answers a timed-out promise as if it were resolved.
        value = data_of(promise.param) if early else value
        promises.resolve(id, ikey=request, strict=True, data=value)
    except Refused as refusal:
        if refusal.status != 403:
            raise
        first = first and early
    _require_delivered(promises, id, text, execution.id)
    return first


def _require_delivered(promises: Promises, id: str, text: str, execution_id: str) -> None:
    """Raise `SignalConflict` unless the signal was delivered with this value."""
    ended = SignalConflict("The execution has ended.", id=execution_id)
    with refusal_means(PROMISE_NOT_FOUND, ended):
        promise = promises.get(id)
    if promise.state != "RESOLVED":
        raise SignalConflict("The signal comes too late.", id=execution_id)
    if not is_same(data_of(promise.value), text):
        raise SignalConflict("The signal was delivered with another value.", id=execution_id)
