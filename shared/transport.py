"""Blocking HTTP calls to the server: connections are kept, tries are finite, statuses told apart.

`http.client` of the standard library is used directly: a call costs about a third of the CPU that
the same call costs through `requests`, and the server is called several times for every execution.
"""

from __future__ import annotations

import base64
import http.client
import random
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.settings import ServerSettings

FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 1.0


class Unanswered(Exception):
    """No usable answer within the budget. Whether the server acted on the call is not known."""


class Refused(Exception):
    """The server said no. `code` is its own and finer than `status`; 0 if it gave none."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(f"{status}/{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


class Transport:
    """Calls to one address, safe to use from many threads at once.

    A call is tried again with growing, jittered pauses while the server cannot be reached, does not
    answer within `attempt` seconds or answers 429 or 5xx, until `budget` seconds have passed. Every
    call of the server's that we make may be repeated safely, but for claims (`retry=False`).
    """

    def __init__(
        self,
        server: ServerSettings,
        *,
        attempt: float,
        budget: float,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        url = urlsplit(server.host)
        self._connection = (
            http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        )
        self._address = (url.hostname or "localhost", server.store_port)
        self._attempt = attempt
        self._budget = budget
        self._stopped = stopped
        self._headers = {"Content-Type": "application/json", **authorization(server)}
        self._idle: deque[http.client.HTTPConnection] = deque()

    def call(  # noqa: PLR0913 - the parts of an HTTP request
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        budget: float | None = None,
        retry: bool = True,
    ) -> Any:
        """Return the decoded answer of a 2xx. Raises `Refused` or `Unanswered`."""
        data = None if body is None else orjson.dumps(body)
        sent = self._headers if headers is None else {**self._headers, **headers}
        end = time.monotonic() + (self._budget if budget is None else budget)
        pause = FIRST_PAUSE
        while True:
            try:
                status, answer = self._once(method, path, data, sent)
            except (OSError, http.client.HTTPException) as error:
                reason = repr(error)
            else:
                if status < 300:
                    return decoded(answer)
                refusal = refused(status, answer)
                if status < 500 and status != 429:
                    raise refusal
                reason = str(refusal)
            wait = pause * (0.5 + random.random())  # noqa: S311 - jitter
            if not retry or self._stopped() or time.monotonic() + wait > end:
                raise Unanswered(reason)
            time.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _once(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        connection = self._take()
        try:
            connection.request(method, path, data, dict(headers))
            response = connection.getresponse()
            answer = response.read()
        except BaseException:
            connection.close()
            # One dead connection means that the server has gone: the idle ones are dead as well.
            self.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        return response.status, answer

    def _take(self) -> http.client.HTTPConnection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connection(*self._address, timeout=self._attempt)

    def close(self) -> None:
        """Close idle connections; the next call opens a new one."""
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return


def authorization(server: ServerSettings) -> dict[str, str]:
    """Return the header for basic authentication, if the settings have a user."""
    if not server.username:
        return {}
    token = base64.b64encode(f"{server.username}:{server.password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}


def decoded(answer: bytes) -> Any:
    """Decode a body, or raise `Unanswered`: what is no JSON did not come from the server."""
    try:
        return orjson.loads(answer) if answer else None
    except ValueError as error:
        raise Unanswered("the answer was not JSON") from error


def refused(status: int, answer: bytes) -> Refused:
    """Make the error of an answer that is not 2xx, whether or not it is the server's own."""
    try:
        error = orjson.loads(answer)["error"]
        return Refused(status, int(error["code"]), str(error["message"]))
    except (ValueError, KeyError, TypeError):
        return Refused(status, 0, answer[:200].decode("utf-8", "replace"))
