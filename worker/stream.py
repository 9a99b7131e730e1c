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
from urllib.parse import quote, urlsplit

import orjson

from shared.log import get_logger
from shared.transport import authorization

if TYPE_CHECKING:
    from shared.settings import ServerSettings

IDLE_SECONDS: Final = 15.0
"""A stream that was silent for so long is opened anew: the server sends no keep-alive, so a link
that has died without a word cannot be told from an idle one."""

CONNECT_SECONDS: Final = 5.0
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0

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
                if time.monotonic() - message.arrived_at < self._stale_after:
                    return message
            return None

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._messages.clear()
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._messages)


class Stream:
    """Reads the server's event stream into `inbox` and connects again whenever it ends."""

    def __init__(
        self,
        server: ServerSettings,
        group: str,
        pid: str,
        inbox: Inbox,
        *,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._server = server
        self._path = f"/{quote(group, safe='')}/{quote(pid, safe='')}"
        self._inbox = inbox
        self._idle_seconds = idle_seconds
        self._closed = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)
        self._log = get_logger()
        self.connected_at: float | None = None

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """Leave the group: the server offers nothing more to this process."""
        self._closed.set()
        _shut(self._socket)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        previous: socket.socket | None = None
        while not self._closed.is_set():
            opened_at = time.monotonic()
            try:
                self._socket, response = self._open()
            except (OSError, http.client.HTTPException) as error:
                self.connected_at = None
                self._log.warning("no stream from the server", reason=repr(error))
            else:
                # Only now is the old one closed: the server moves over without a gap.
                _shut(previous)
                previous = self._socket
                if self.connected_at is None:
                    self._log.info("stream opened")
                self.connected_at = time.monotonic()
                self._read(response)
            if time.monotonic() - opened_at > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            else:
                self._closed.wait(pause * (0.5 + random.random()))  # noqa: S311 - jitter
                pause = min(pause * 2, LONGEST_PAUSE)
        _shut(previous)

    def _open(self) -> tuple[socket.socket, http.client.HTTPResponse]:
        url = urlsplit(self._server.host)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(
            url.hostname or "localhost", self._server.message_port, timeout=CONNECT_SECONDS
        )
        connection.connect()
        opened: socket.socket = connection.sock
        connection.request("GET", self._path, headers=authorization(self._server))
        response = connection.getresponse()
        if response.status != 200:
            connection.close()
            raise http.client.HTTPException(f"the message port answered {response.status}")
        opened.settimeout(self._idle_seconds)
        return opened, response

    def _read(self, response: http.client.HTTPResponse) -> None:
        try:
            while not self._closed.is_set() and (line := response.readline()):
                try:
                    message = parse(line)
                except ValueError:
                    self._log.warning("unreadable message skipped", line=repr(line[:200]))
                    continue
                if message is not None:
                    self._inbox.put(message)
        except TimeoutError:
            return
        except (OSError, ValueError, http.client.HTTPException) as error:
            if not self._closed.is_set():
                self._log.warning("stream ended", reason=repr(error))


def _shut(opened: socket.socket | None) -> None:
    """End a connection that another thread may be reading from."""
    if opened is None:
        return
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
    opened.close()
