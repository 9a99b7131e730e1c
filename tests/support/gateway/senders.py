"""Gateways' calls that send values of a signal, and what becomes of the values."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson

from gateway.backend.calls import Calls
from gateway.model.execution import NewExecution
from shared.ids import signal_id
from shared.resonate import tags as tag
from shared.resonate.large_values import data_of

if TYPE_CHECKING:
    from gateway.backend.signals.delivery import Delivery
    from shared.resonate.store import Store
    from shared.resonate.transport import Transport


class Sender:
    """One gateway's calls, for one execution and the signal `next`."""

    def __init__(self, transport: Transport, job: str) -> None:
        self.calls = Calls(transport, f"gateway-{id(self)}", "worker")
        self._job = job

    def begin(self, seconds: int = 60) -> None:
        self.calls.begin(NewExecution(self._job, "foo", 1, "1", "print", seconds, 0, "mark"))

    def send(self, value: object, key: str | None = None, name: str = "next") -> Delivery:
        return self.calls.signal(self._job, name, orjson.dumps(value).decode(), key)


def value_of(store: Store, job: str, number: int, name: str = "next") -> Any:
    """Return the value of a number as the function would get it."""
    promise = store.promises.get(signal_id(job, name, number))
    assert promise.state == "RESOLVED", promise
    return orjson.loads(orjson.loads(str(data_of(promise.value))))


def has_ended(store: Store, id: str) -> bool:
    """Return whether a promise has ended."""
    return not store.promises.get(id).pending


def values_of(store: Store, job: str, count: int) -> list[Any]:
    """Return the values of the first numbers; there are no more."""
    found = store.promises.search(f"{job}.signal.next*", {tag.SIGNAL: "next"})[0]
    assert len(found) == count, [promise.id for promise in found]
    return [value_of(store, job, number) for number in range(1, count + 1)]


def die_after_create(store: Store, job: str, number: int, value: object, request: str) -> None:
    """Leave what a sender leaves that dies before it resolves its promise."""
    id = signal_id(job, "next", number)
    tags = {tag.SIGNAL: "next", tag.NUMBER: str(number), tag.REQUEST: request}
    data = orjson.dumps(orjson.dumps(value).decode()).decode()
    store.promises.create(id, int((time.time() + 60) * 1000), ikey=id, data=data, tags=tags)
