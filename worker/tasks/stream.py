"""The one connection on which the server tells this worker of work, and the inbox behind it."""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import orjson

from shared.log import get_logger
from shared.resonate.streams import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    RENEW_SECONDS,
    SILENT_SECONDS,
    stream_path,
)
from shared.resonate.transport import authorization

if TYPE_CHECKING:
    from shared.settings import ServerSettings

STALE_SECONDS: Final = 4.0
"""A message older than this is not worth a claim: unless it was claimed, the server sends the task
again, with a higher counter, after the 5 s of `timeToClaim` in its configuration."""


@dataclass(frozen=True)
class Message:
    """The server offers a task: run the execution from its start, or resume it."""

    kind: str
    task: str
    counter: int
    arrived_at: float = field(default_factory=time.monotonic)

    @property
    def execution(self) -> str:
        """The execution's id, from the task's: `__invoke:<id>` or `__resume:<id>:<awaited>`."""
        return self.task.split(":", 2)[1]


def parse(line: bytes) -> Message | None:
    """Return the offer in a line of the event stream, or None: blank lines, comments, other events.

    Raises `ValueError` for a data line that is not as the server writes it.
    """
    if not line.startswith(b"data:"):
        return None
    match orjson.loads(line[5:]):
        case {
            "type": "invoke" | "resume" as kind,
            "task": {"id": str(task), "counter": int(n)},
        } if ":" in task:
            return Message(kind, task, n)
        case {"type": "notify"}:
            return None
        case _:
            raise ValueError("not a message of the server")


class Inbox:
    """Offers not taken yet, oldest first; a newer offer of a task replaces the older one."""

    def __init__(self, stale_after: float = STALE_SECONDS) -> None:
        self._stale_after = stale_after
        self._changed = threading.Condition()
        self._messages: OrderedDict[str, Message] = OrderedDict()
        self._closed = False

    def put(self, message: Message) -> None:
        with self._changed:
            self._messages.pop(message.task, None)
            self._messages[message.task] = message
            self._changed.notify()

    def take(self) -> Message | None:
        """Wait for an offer that is not stale; None once the inbox is closed."""
        with self._changed:
            while not self._closed:
                if not self._messages:
                    self._changed.wait()
                    continue
                _, message = self._messages.popitem(last=False)
                if self._is_fresh(message):
                    return message
            return None

    def surplus(self, keep: int, most: int) -> list[Message]:
        """Remove and return the latest offers beyond the first `keep`, at most so many."""
        with self._changed:
            count = min(len(self._messages) - keep, most)
            found = [self._messages.popitem()[1] for _ in range(count)]
        return [message for message in found if self._is_fresh(message)]

    def close(self) -> list[Message]:
        """Let nobody wait or take any more; return the offers that nobody took."""
        with self._changed:
            self._closed = True
            left = [message for message in self._messages.values() if self._is_fresh(message)]
            self._messages.clear()
            self._changed.notify_all()
        return left

    def _is_fresh(self, message: Message) -> bool:
        return time.monotonic() - message.arrived_at < self._stale_after

    def __len__(self) -> int:
        return len(self._messages)


class Stream:
    """Keeps an event stream of the server open and reads it into `inbox`.

    The stream is opened anew every `renew_seconds`: the server moves over to the new connection
    without a gap, sends what it had for the old one there, and ends it. It ends by itself any
    connection that is older than its `disconnectAfter`. So a process that is frozen, or cut off
    without a word, is soon offered no more work that nobody would do.
    """

    def __init__(
        self,
        server: ServerSettings,
        group: str,
        pid: str,
        inbox: Inbox,
        *,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        self._server = server
        self._path = stream_path(group, pid)
        self._inbox = inbox
        self._renew_seconds = renew_seconds
        self._closed = threading.Event()
        self._connection: _Connection | None = None
        self._open = False
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)
        self._log = get_logger()

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def is_open(self) -> bool:
        """Tell whether the server can offer work to this process, as far as it knows."""
        return self._open

    def close(self) -> None:
        """Leave the group: the server offers nothing more to this process."""
        self._closed.set()
        self._open = False
        connection = self._connection
        if connection is not None:
            connection.close()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._closed.is_set():
            try:
                self._connection = _Connection(self._server, self._path, self._inbox)
            except (OSError, http.client.HTTPException) as error:
                if self._open:
                    self._log.warning("stream lost", reason=repr(error))
                self._open = False
            else:
                if self._closed.is_set():  # while it was being opened
                    break
                if not self._open:
                    self._log.info("stream opened")
                self._open = True
                if not self._connection.ended.wait(self._renew_seconds):
                    pause = FIRST_PAUSE
                    continue
            self._closed.wait(pause * (0.5 + random.random()))  # noqa: S311 - jitter
            pause = min(pause * 2, LONGEST_PAUSE)
        self.close()


class _Connection:
    """One connection and the thread that reads it until the server ends it."""

    def __init__(self, server: ServerSettings, path: str, inbox: Inbox) -> None:
        url = urlsplit(server.host)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname or "localhost", server.message_port, timeout=SILENT_SECONDS)
        try:
            connection.connect()
            self._socket: socket.socket = connection.sock
            connection.request("GET", path, headers=authorization(server))
            self._response = connection.getresponse()
            if self._response.status != 200:
                raise http.client.HTTPException(  # noqa: TRY301 - closed below
                    f"the server answered {self._response.status}"
                )
        except BaseException:
            connection.close()
            raise
        self._inbox = inbox
        self.ended = threading.Event()
        threading.Thread(target=self._read, name="stream-reader", daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        try:
            while line := self._response.readline():
                self._take(line)
        except (OSError, ValueError, http.client.HTTPException) as error:
            get_logger().debug("stream cut", reason=repr(error))
        finally:
            self.ended.set()
            self._response.close()
            self._socket.close()

    def _take(self, line: bytes) -> None:
        try:
            message = parse(line)
        except ValueError:
            get_logger().warning("unreadable message skipped", line=repr(line[:200]))
            return
        if message is not None:
            self._inbox.put(message)
