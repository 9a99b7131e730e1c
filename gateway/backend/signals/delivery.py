"""Delivering a signal: each request's value gets the next number, and a promise of that number.

1. The function waits: the worker created the promise, and this call resolves it.
2. Early: the sender creates the promise with its value, and resolves it.
3. A wait that has timed out keeps its number; the value gets the next one.
4. The sender died between the two calls of 2: the next sender resolves its promise with its value,
   and goes on to the next number. A worker that waits for this number does the same.

With an idempotency key the key's record is stored first (`keys.py`). Then:

5. The sender died after the record: a repeat looks for the value from the record's number on, and
   delivers it where it finds none. Each sender offers the value to one number after the other, so
   two senders at once meet at the same number, and one of them finds the other's value there.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from gateway.backend.signals.keys import KeyRecord, SignalKey, digest_of
from gateway.backend.signals.numbers import MOST_WAITING, SignalNumbers
from gateway.backend.signals.values import SignalValues, is_early, sender_of
from gateway.errors import SignalConflict, TooManyValues
from shared.resonate.large_values import data_of, is_same

if TYPE_CHECKING:
    from collections.abc import Callable

    from resonate.models.durable_promise import DurablePromise

    from gateway.model.execution import Execution
    from shared.resonate.store import Promises

FULL_DETAIL: Final = (
    f"{MOST_WAITING:,} values of this signal wait until the function takes them; try again later."
)


@dataclass(frozen=True)
class Delivery:
    """Where a value is: its number among the values of its name, from 1 on.

    `first` if this request delivered it. `waiting` is how many values of the name the function has
    not taken yet.
    """

    number: int
    first: bool
    waiting: int


class Signals:
    """Delivers signals, from many threads at once."""

    def __init__(self, promises: Promises) -> None:
        self._promises = promises
        self._numbers = SignalNumbers()

    def deliver(
        self, execution: Execution, name: str, value_json: str, key: str | None
    ) -> Delivery:
        """Deliver a value, a new one unless a request with the same key has sent it.

        Raises `SignalConflict` for a value that comes too late and for a key that was used with
        another value, `TooManyValues` if the function has to take others first, and `Refused` or
        `Unanswered`.
        """
        sending = _Sending(self._promises, self._numbers, execution, name, value_json)
        if key is not None:
            return sending.deliver_once(SignalKey(self._promises, execution.id, name, key))
        return sending.find_last() if execution.done else sending.deliver_new()


class _Sending:
    """One request's value on its way to an execution."""

    def __init__(
        self,
        promises: Promises,
        numbers: SignalNumbers,
        execution: Execution,
        name: str,
        value_json: str,
    ) -> None:
        self._execution = execution
        self._signal = (execution.id, execution.created_at, name)
        self._numbers = numbers
        self._values = SignalValues(promises, execution.id, name, execution.timeout_at)
        self._text = orjson.dumps(value_json).decode()

    def deliver_new(self) -> Delivery:
        """Deliver it as a new value."""
        request = uuid.uuid4().hex
        start = self._next_after_ended()

        def next_after(number: int) -> int:
            return max(self._values.newest(number), number + 1)

        return self._place(start, request, request, next_after)

    def find_last(self) -> Delivery:
        """Return where the last value is, if it equals this one, after the execution's end."""
        last = self._values.last_delivered()
        if last is None or not is_same(data_of(last[1].value), self._text):
            raise self._ended()
        return self._repeated(last[0])

    def deliver_once(self, key: SignalKey) -> Delivery:
        """Deliver it unless a request with this key has done so."""
        value_digest = digest_of(self._text)
        record = key.get()
        if record is None:
            if self._execution.done:
                raise self._ended()
            first_number = self._first_free()
            self._require_room(first_number)
            record = key.create(KeyRecord(value_digest, first_number))
        if record.value_digest != value_digest:
            raise self._conflict("This Idempotency-Key was used with another value.")
        if record.number is not None:
            return self._repeated(record.number)
        sender = f"{key.digest}."
        if self._execution.done:
            return self._repeated(self._find(record.first_number, sender))
        delivery = self._place(
            record.first_number, sender, f"{sender}{uuid.uuid4().hex}", lambda number: number + 1
        )
        if delivery.number != record.first_number:
            key.set_number(delivery.number)
        return delivery

    def _first_free(self) -> int:
        """Return the number that is the next one, or whose wait may be open."""
        start = self._next_after_ended()
        return max(self._values.newest(start - 1), start)

    def _place(
        self, number: int, sender: str, request: str, next_after: Callable[[int], int]
    ) -> Delivery:
        """Offer the value to one number after the other, until one of them has it.

        All before the first `number` must have ended. A value is ours if its request begins with
        `sender`.
        """
        self._require_room(number)
        value = self._values.stored(self._text)
        while True:
            promise = self._values.offer(number, value, request)
            self._numbers.note_ended(self._signal, number)
            if sender_of(promise).startswith(sender):
                break
            number = next_after(number)
            self._require_room(number)
        self._require_delivered(promise)
        if sender_of(promise) != request:
            return self._repeated(number)
        return Delivery(
            number, first=True, waiting=self._waiting(number) if is_early(promise) else 0
        )

    def _find(self, number: int, sender: str) -> int:
        """Return the number that a sender's value has, which is this one or a later one."""
        while (promise := self._values.get(number)) is not None:
            if sender_of(promise).startswith(sender):
                self._require_delivered(promise)
                return number
            number += 1
        raise self._ended()

    def _repeated(self, number: int) -> Delivery:
        known = max(number, self._next_after_ended() - 1)
        return Delivery(number, first=False, waiting=self._waiting(self._values.newest(known)))

    def _next_after_ended(self) -> int:
        return self._numbers.next_after_ended(self._signal, self._values)

    def _waiting(self, newest: int) -> int:
        return self._numbers.waiting(self._signal, self._values, newest)

    def _require_room(self, number: int) -> None:
        """Raise `TooManyValues` if too many values would wait with this one."""
        if not self._numbers.has_room(self._signal, self._values, number):
            raise TooManyValues(FULL_DETAIL, id=self._execution.id)

    def _require_delivered(self, promise: DurablePromise) -> None:
        if promise.state != "RESOLVED":
            raise self._conflict("The signal comes too late.")

    def _ended(self) -> SignalConflict:
        return self._conflict("The execution has ended.")

    def _conflict(self, detail: str) -> SignalConflict:
        return SignalConflict(detail, id=self._execution.id)
