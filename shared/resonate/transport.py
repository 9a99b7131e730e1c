"""Blocking HTTP calls to the server, with kept connections, finite tries and typed refusals."""

from __future__ import annotations

import base64
import random
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson

from shared.resonate.clock import ServerClock
from shared.resonate.connection import (
    Address,
    Answer,
    BrokenAnswer,
    Connection,
    head_of,
    request_of,
)
from shared.telemetry.tracing import tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.settings import ServerSettings

NOT_AS_EXPECTED: Final = (ValueError, KeyError, TypeError, AttributeError)
"""Errors of reading JSON that has another shape than expected."""

PROMISE_NOT_FOUND: Final = 40400
PROMISE_EXISTS: Final = 40900
"""Codes of the server; the last one means that the id belongs to another idempotency key."""

FENCED: Final = 41200
"""Code of the server: the claim in the write's headers is over."""

FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 1.0
"""Seconds between two tries: the first pause, doubled up to the longest."""


class Unanswered(Exception):
    """No usable answer within the budget. Whether the server acted on the call is unknown."""


class Refused(Exception):
    """The server refused a call. `code` is the server's own, finer than `status`."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(f"{status}/{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


type Called = Callable[[str, str, int, float], None]


def unheard(method: str, path: str, status: int, seconds: float) -> None:
    """Take no note of a call."""


class Transport:
    """Calls to one address, safe to use from many threads at once.

    A call is tried again with growing, jittered pauses while the server cannot be reached, sends
    nothing of its answer for `attempt` seconds, answers 429 or 5xx, or something else than the
    server answers (a proxy, an error page), until `budget` seconds have passed. An answer that
    keeps coming is read to its end. All our calls may be repeated safely, except claims
    (`retry=False`). From each answer `clock` learns the time. `called` is told of each try: method,
    path, status (0 without an answer) and seconds.
    """

    def __init__(  # noqa: PLR0913 - each with a meaning of its own
        self,
        server: ServerSettings,
        *,
        attempt: float,
        budget: float,
        stopped: Callable[[], bool] = lambda: False,
        clock: ServerClock | None = None,
        called: Called = unheard,
    ) -> None:
        self.clock = clock or ServerClock()
        url = urlsplit(server.host)
        self._address = Address(
            url.hostname or "localhost", server.store_port, attempt, secure=url.scheme == "https"
        )
        self._budget = budget
        self._stopped = stopped
        self._called = called
        always = {"Host": self._address.name, "Content-Type": "application/json"}
        self._head = head_of({**always, **authorization(server)})
        self._idle: deque[Connection] = deque()
        self._closed = False
        self.calls = 0
        """Number of calls so far, with each try of one, roughly: threads count without a lock."""

    def call[T](  # noqa: PLR0913 - the parts of an HTTP request
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        read: Callable[[Any], T],
        budget: float | None = None,
        retry: bool = True,
        retry_timeouts: bool = True,
    ) -> T:
        """Return the JSON of a 2xx as `read` converts it. Raises `Refused` or `Unanswered`.

        Where `read` raises `NOT_AS_EXPECTED`, it was not the server that answered. Expensive calls
        are made without `retry_timeouts`: the server may still be working on the first one.
        """
        # Encoded here, since a body that cannot be encoded is no fault of the server's answer.
        data = None if body is None else orjson.dumps(body)
        head = self._head + head_of(headers) if headers else self._head
        request = request_of(method, path, head, data)
        end = time.monotonic() + (self._budget if budget is None else budget)
        pause = FIRST_PAUSE
        while True:
            status, answer = 0, b""
            try:
                status, answer, _ = self._measured(method, path, request, again=retry)
                if status < 300:
                    return read(orjson.loads(answer) if answer else None)
                reason = _reason_unless_final(status, answer)
            except (OSError, BrokenAnswer) as error:
                reason = repr(error)
                retry = retry and (retry_timeouts or not isinstance(error, TimeoutError))
            except NOT_AS_EXPECTED as error:
                reason = _reason_of_nonsense(status, answer, error)
            wait = pause * (0.5 + random.random())  # noqa: S311 - jitter
            if not retry or self._stopped() or time.monotonic() + wait > end:
                raise Unanswered(reason)
            time.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _measured(self, method: str, path: str, request: bytes, *, again: bool) -> Answer:
        began, status = time.perf_counter(), 0
        try:
            answer = self._once(request, again=again)
            status = answer.status
        finally:
            self._called(method, path, status, time.perf_counter() - began)
        return answer

    def _once(self, request: bytes, *, again: bool) -> Answer:
        """Try once; `again` allows one more try if a kept connection turns out to be dead."""
        self.calls += 1
        connection = self._take()
        kept = connection.is_open
        span = tracing().call(request, self._address.host, self._address.port)
        try:
            connection.open()
            asked_at = self.clock.local()
            answer = connection.call(request)
        except BaseException as error:
            span.failed(type(error).__name__)
            connection.close()
            # One dead connection means that the server has gone: the idle ones are dead as well.
            self._close_idle()
            if again and kept and isinstance(error, ConnectionError):
                return self._once(request, again=False)
            raise
        span.answered(answer.status)
        self.clock.learn(answer.date, asked_at)
        if connection.is_open:
            self._idle.append(connection)
        if self._closed:
            self._close_idle()
        return answer

    def _take(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return Connection(self._address)

    def close(self) -> None:
        """Keep no connection any more: a call that still runs closes its own when it ends."""
        self._closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return


def _reason_unless_final(status: int, answer: bytes) -> str:
    """Return why the call may be tried again. Raises `Refused` if the refusal is final."""
    error = orjson.loads(answer)["error"]
    refusal = Refused(status, int(error["code"]), str(error["message"]))
    if status < 500 and status != 429:
        raise refusal
    return str(refusal)


def _reason_of_nonsense(status: int, answer: bytes, error: Exception) -> str:
    """Return what an answer was that cannot be read: of a success no byte, it may have inputs."""
    what = f"{len(answer)} bytes" if status < 300 else repr(answer[:200])
    return f"{status}: not an answer of the server: {what}, {type(error).__name__}"


def authorization(server: ServerSettings) -> dict[str, str]:
    """Return the header for basic authentication, if the settings have a user."""
    if not server.username:
        return {}
    token = base64.b64encode(f"{server.username}:{server.password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}
