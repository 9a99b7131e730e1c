"""Our implementation of the SDK's store protocols, and calls that the SDK does not have.

It differs from the SDK's own store:

- connections are kept, tries are finite, and a refusal has its status and code;
- ids are escaped in paths;
- a settlement that lost a race returns the stored promise;
- large values are stored in promises of their own (`large_values.py`), and are read on demand only;
- the header for pickled values is neither sent nor read: who can write to the server's store must
  not be able to run code here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from resonate.models.callback import Callback
from resonate.models.durable_promise import DurablePromise

from shared.ids import id_of_stored, stored_id
from shared.resonate import tags as tag
from shared.resonate.codec import LenientBase64
from shared.resonate.cursors import cursor_at, position_of
from shared.resonate.large_values import LargeValues, part_of
from shared.resonate.tasks import Schedules, Tasks, UnusedPromiseVerbs
from shared.resonate.transport import Refused, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resonate.models.encoder import Encoder

    from shared.resonate.large_values import Data

PICKLED: Final = "resonate:format-py"
"""Header in which the SDK sends pickled values, which jsonpickle would unpickle."""

PAGE: Final = 100
"""Promises that the server returns for one search, at most."""


class Store:
    """The SDK's `Store` over `transport`."""

    encoder: Encoder[str | None, str | None] = LenientBase64()

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.promises = Promises(self)
        self.tasks = Tasks(transport)
        self.schedules = Schedules()

    def ping(self) -> None:
        """Check with one try that the server answers. Raises `Refused` or `Unanswered`."""
        self.transport.call("GET", "/ping", read=_read_ping, budget=0)

    def promise(self, data: dict[str, Any]) -> DurablePromise:
        """Return a promise from the server's JSON, without the header for pickled values.

        One that was stored with its outcome is returned as if it had been settled at once.
        """
        for part in ("param", "value"):
            if headers := (data.get(part) or {}).get("headers"):
                headers.pop(PICKLED, None)
        ended = _ended(data) if tag.OUTCOME in (data.get("tags") or {}) else {}
        return DurablePromise.from_dict(self, {**data, **ended, "id": id_of_stored(data["id"])})


# Over 150 lines: the SDK's protocol has all these methods in one class, with all their parameters.
class Promises(UnusedPromiseVerbs):
    """The SDK's `PromiseStore`. All methods raise `Refused` or `Unanswered`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._transport = store.transport
        self.values = LargeValues(self._transport, self.fence)

    def fence(self) -> Mapping[str, str]:
        """Return headers that bind a write to a claim: none here, overridden by workers.

        The server refuses a write (412) whose headers name a claim that no longer holds the
        execution.
        """
        return {}

    def get(self, id: str) -> DurablePromise:
        return self._transport.call("GET", _path(id), read=self._store.promise)

    def create(  # noqa: PLR0913 - the SDK's protocol
        self,
        id: str,
        timeout: int,
        *,
        ikey: str | None = None,
        strict: bool = False,
        headers: dict[str, str] | None = None,
        data: Data | None = None,
        tags: dict[str, str] | None = None,
    ) -> DurablePromise:
        param = part_of(self.values.stored_for_create(id, data))
        body = {"id": stored_id(id), "param": param, "timeout": timeout, "tags": tags or {}}
        sent = self._headers(ikey, strict=strict)
        return self._transport.call("POST", "/promises", body, sent, read=self._store.promise)

    def resolve(
        self,
        id: str,
        *,
        ikey: str | None = None,
        strict: bool = False,
        headers: dict[str, str] | None = None,
        data: Data | None = None,
    ) -> DurablePromise:
        return self._settle(id, "RESOLVED", ikey, data, strict=strict)

    def reject(
        self,
        id: str,
        *,
        ikey: str | None = None,
        strict: bool = False,
        headers: dict[str, str] | None = None,
        data: Data | None = None,
    ) -> DurablePromise:
        return self._settle(id, "REJECTED", ikey, data, strict=strict)

    def cancel(
        self,
        id: str,
        *,
        ikey: str | None = None,
        strict: bool = False,
        headers: dict[str, str] | None = None,
        data: Data | None = None,
    ) -> DurablePromise:
        return self._settle(id, "REJECTED_CANCELED", ikey, data, strict=strict)

    def _settle(  # noqa: PLR0913 - the parts of a settlement
        self,
        id: str,
        state: str,
        ikey: str | None,
        data: Data | None,
        *,
        strict: bool,
        notes: Mapping[str, str] | None = None,
    ) -> DurablePromise:
        """Settle a promise; `notes` are stored beside the data, in headers."""
        if state == "RESOLVED":  # failures and reasons have limits of their own
            data = self.values.stored(id, data)
        value = part_of(data)
        if notes:
            value["headers"] = {**value.get("headers", {}), **notes}
        body = {"state": state, "value": value}
        sent = self._headers(ikey, strict=strict)
        try:
            return self._transport.call("PATCH", _path(id), body, sent, read=self._store.promise)
        except Refused as refusal:
            if refusal.status != 403 or strict:
                raise
            stored = self.get(id)
            if stored.state == "PENDING":
                raise
            return stored

    def callback(
        self, promise_id: str, root_promise_id: str, recv: str, timeout: int
    ) -> tuple[DurablePromise, Callback | None]:
        def read(answer: Any) -> tuple[DurablePromise, Callback | None]:
            made = answer.get("callback")
            promise = self._store.promise(answer["promise"])
            return promise, Callback.from_dict(made) if made else None

        path = f"/promises/callback/{quote(stored_id(promise_id), safe='')}"
        root_id = stored_id(root_promise_id)
        body = {"rootPromiseId": root_id, "recv": recv, "timeout": timeout}
        promise, made = self._transport.call("POST", path, body, self.fence(), read=read)
        if made is None and promise.pending:
            # Either this callback exists already, or the promise ended while the server created
            # the callback. In the second case the answer shows the promise as still pending, and
            # no callback would come; so it is read again.
            promise = self.get(promise_id)
        return promise, made

    def search(
        self,
        pattern: str,
        tags: Mapping[str, str],
        *,
        state: str | None = None,
        limit: int = PAGE,
        after: int | None = None,
    ) -> tuple[list[DurablePromise], int | None]:
        """Return one page of matching promises, newest first, and the position of its last one.

        The next page is the same search with that position as `after`. After the last page the
        position is None.
        """
        pattern = stored_id(pattern)
        if after is not None:
            query = {"cursor": cursor_at(after, pattern, tags, state, limit)}
        else:
            query = {"id": pattern, "limit": str(limit), **({"state": state} if state else {})}
            query |= {f"tags[{key}]": value for key, value in tags.items()}

        def read(answer: Any) -> tuple[list[DurablePromise], int | None]:
            found = [self._store.promise(data) for data in answer["promises"] or []]
            cursor = answer.get("cursor")
            return found, position_of(cursor) if cursor else None

        path = f"/promises?{urlencode(query)}"
        return self._transport.call("GET", path, read=read, retry_timeouts=False)

    def notify(self, id: str, name: str, recv: str, timeout: int) -> DurablePromise:
        """Subscribe `recv` to the promise's end: one message at most. Return the promise.

        If the promise has ended already, no message is sent.
        """

        def read(answer: Any) -> DurablePromise:
            return self._store.promise(answer["promise"])

        body = {"Id": name, "promiseId": stored_id(id), "recv": recv, "timeout": timeout}
        path = f"/promises/subscribe/{quote(stored_id(id), safe='')}"
        return self._transport.call("POST", path, body, read=read)

    def _headers(self, ikey: str | None, *, strict: bool) -> dict[str, str]:
        headers = dict(self.fence())
        if ikey is not None:
            headers["idempotency-key"] = ikey
        if strict:
            headers["strict"] = "true"
        return headers


def _ended(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how a promise differs from what is stored, since its param is its outcome."""
    tags = {tag.STEP if key == tag.ENDED_STEP else key: text for key, text in data["tags"].items()}
    value, state = data.get("param") or {}, tags[tag.OUTCOME].upper()
    ended = {"state": state, "completedOn": data["createdOn"]}
    return {**ended, "param": {}, "value": value, "tags": tags}


def _read_ping(answer: Any) -> str:
    return str(answer["status"])


def _path(id: str) -> str:
    return f"/promises/{quote(stored_id(id), safe='')}"
