"""Large values, each stored in a promise of its own; what has the value holds a reference to it.

The server reads promises as wholes: a search returns the values of all that it finds, and a write
answers with the promise. So a value of more than `LARGE_BYTES` is stored as `=<owner>=<digest>`:

1. The value is stored under that id, which is the same for the same value of the same owner.
2. The owner is stored with a reference in the headers of its param or value, and without data.

A writer that dies after 1 leaves a value that nobody reads. Data, which a user's code or a client
can choose, never counts as a reference: only this service writes headers.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from shared.ids import stored_id, value_id
from shared.resonate import tags as tag
from shared.resonate.tasks import read_nothing
from shared.resonate.transport import PROMISE_NOT_FOUND, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resonate.models.durable_promise import DurablePromise, DurablePromiseValue

    from shared.resonate.transport import Transport

LARGE_BYTES: Final = 16 * 1024
"""Bytes of a param or value beyond which it is stored on its own.

A search of 100 executions then reads 4 MiB at most, and the read of a poll 0.2 MiB: values of this
size cost server and gateway together 0.2 ms each. Storing a value on its own costs one more write.
"""

NEVER: Final = 2**53 - 1
"""Milliseconds since the epoch, far in the future.

A value's promise stays pending for ever, because each end would be another write. The server looks
for promises whose time is over by an index, so those of values cost nothing.
"""

ID: Final = "value-id"
SIZE: Final = "value-bytes"
DIGEST: Final = "value-sha256"
"""Headers of a reference."""

HEX: Final = re.compile(r"[0-9a-f]{64}")


class ValueLost(Exception):
    """A stored value is missing or is not what was stored; asking again will not help."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a large value is, how many bytes of UTF-8 it has, and their SHA-256 in hexadecimal."""

    id: str
    size: int
    digest: str

    @classmethod
    def to(cls, owner: str, raw: bytes) -> Self:
        """Return the reference to a value of the promise `owner`."""
        digest = hashlib.sha256(raw).hexdigest()
        return cls(value_id(owner, digest), len(raw), digest)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that stand for the value."""
        return {ID: self.id, SIZE: str(self.size), DIGEST: self.digest}

    def is_to(self, data: str) -> bool:
        """Return whether the value is this text."""
        raw = data.encode()
        return len(raw) == self.size and hashlib.sha256(raw).hexdigest() == self.digest


type Data = str | Reference
"""The data of a param or value: as text, or where it is."""


def data_of(part: DurablePromiseValue) -> Data | None:
    """Return the data of a promise's param or value."""
    headers = part.headers or {}
    id, size, digest = (headers.get(name, "") for name in (ID, SIZE, DIGEST))
    if id and size.isascii() and size.isdigit() and HEX.fullmatch(digest):
        return Reference(id, int(size), digest)
    return part.data


def is_same(data: Data | None, text: str) -> bool:
    """Return whether stored data is this text, however it was stored."""
    return data.is_to(text) if isinstance(data, Reference) else data == text


def is_large(data: Data | None) -> bool:
    """Return whether data is a text that is to be stored on its own."""
    if not isinstance(data, str) or len(data) * 4 <= LARGE_BYTES:
        return False
    return len(data) > LARGE_BYTES or len(data.encode()) > LARGE_BYTES


def part_of(data: Data | None) -> dict[str, Any]:
    """Return data as the server takes a param or value."""
    if data is None:
        return {}
    if isinstance(data, Reference):
        return {"headers": data.headers}
    return {"data": base64.b64encode(data.encode()).decode()}


class LargeValues:
    """Stores and reads large values. All methods raise `Refused` or `Unanswered`.

    `fence` gives headers that bind a write to a claim.
    """

    def __init__(self, transport: Transport, fence: Callable[[], Mapping[str, str]] = dict) -> None:
        self._transport = transport
        self._fence = fence

    def stored(self, owner: str, data: Data | None) -> Data | None:
        """Return the data as the promise `owner` is to have it; large data are stored first."""
        if not isinstance(data, str) or not is_large(data):
            return data
        reference = Reference.to(owner, data.encode())
        id = stored_id(reference.id)
        body = {"id": id, "param": part_of(data), "timeout": NEVER, "tags": {}}
        headers = {**self._fence(), "idempotency-key": id}
        self._transport.call("POST", "/promises", body, headers, read=read_nothing)
        return reference

    def stored_for_create(self, owner: str, data: Data | None) -> Data | None:
        """Return the data as `stored` does, for a promise that is to be created.

        If there is such a promise already, its value is stored, and nothing will be created.
        """
        if isinstance(data, str) and is_large(data) and self._exists(owner):
            return Reference.to(owner, data.encode())
        return self.stored(owner, data)

    def _exists(self, id: str) -> bool:
        try:
            self._transport.call("GET", _path(id), read=read_nothing)
        except Refused as refusal:
            if refusal.code != PROMISE_NOT_FOUND:
                raise
            return False
        return True

    def read(self, reference: Reference) -> bytes:
        """Return the value as UTF-8. Raises `ValueLost` besides."""
        try:
            raw = self._transport.call("GET", _path(reference.id), read=_raw)
        except Refused as refusal:
            if refusal.code != PROMISE_NOT_FOUND:
                raise
            raise ValueLost(f"the stored value {reference.id} is missing") from refusal
        if hashlib.sha256(raw).hexdigest() != reference.digest:
            raise ValueLost(f"the stored value {reference.id} is damaged")
        return raw

    def fill_param(self, promise: DurablePromise) -> None:
        """Give a promise its param as text. Raises as `read` does."""
        self._fill(promise.param, None)

    def fill_value(self, promise: DurablePromise, sent: Data | None = None) -> None:
        """Give a promise its value as text, which may be what was just `sent`. Raises as `read`.

        A client's execution is left as it is: only its webhook waits for it, without its result.
        """
        if promise.tags.get(tag.KIND) != tag.EXECUTION:
            self._fill(promise.value, sent)

    def _fill(self, part: DurablePromiseValue, sent: Data | None) -> None:
        data = data_of(part)
        if isinstance(data, Reference):
            is_sent = isinstance(sent, str) and data.is_to(sent)
            part.data = str(sent) if is_sent else self.read(data).decode()
            part.headers = None


def _path(id: str) -> str:
    return f"/promises/{quote(stored_id(id), safe='')}"


def _raw(answer: Any) -> bytes:
    return base64.b64decode(answer["param"].get("data") or "")
