"""Idempotency keys of signals: a small record of each, from which any gateway knows a repeat.

The record is stored before the value. It says where the value went, or from which number on to look
for it, so that of thousands of values only few are read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import orjson

from gateway.backend.refusals import existing
from shared.ids import signal_key_id
from shared.resonate.large_values import NEVER, data_of

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.store import Promises


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class KeyRecord:
    """The record of a key: the digest of its value, and the first number that the value can have.

    `number` is the value's own, where it is known to be another than the first.
    """

    value_digest: str
    first_number: int
    number: int | None = None

    @classmethod
    def read_from(cls, promise: DurablePromise) -> Self:
        """Return the record that a promise holds."""
        digest, first_number = orjson.loads(str(data_of(promise.param)))
        number = data_of(promise.value)
        return cls(digest, first_number, None if number is None else int(str(number)))


class SignalKey:
    """One key of one signal of one execution. All methods raise `Refused` or `Unanswered`."""

    def __init__(self, promises: Promises, execution: str, name: str, key: str) -> None:
        self._promises = promises
        self.digest = digest_of(key)
        self._id = signal_key_id(execution, name, self.digest)

    def get(self) -> KeyRecord | None:
        """Return the key's record, None if no request with this key has stored one."""
        promise = existing(self._id, self._promises.get)
        return None if promise is None else KeyRecord.read_from(promise)

    def create(self, record: KeyRecord) -> KeyRecord:
        """Store the record unless there is one; return the one that is stored."""
        data = orjson.dumps([record.value_digest, record.first_number]).decode()
        return KeyRecord.read_from(self._promises.create(self._id, NEVER, ikey=self._id, data=data))

    def set_number(self, number: int) -> None:
        """Store which number the value has, so that nobody looks for it again."""
        self._promises.resolve(self._id, ikey=self._id, data=str(number))
