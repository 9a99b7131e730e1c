"""One kept HTTP/1.1 connection over a plain socket, with `httptools` as the parser of answers.

A call costs a third of the CPU that it costs through `http.client`, most of which goes into its
parser of headers; and the server is called several times for every execution.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import httptools

from shared.processes.forks import keep_private

if TYPE_CHECKING:
    from collections.abc import Mapping

PIECE: Final = 64 * 1024
"""Bytes of an answer that are received at a time."""

PATH: Final = re.compile(r"[!-~]+")
HEADER: Final = re.compile(r"[^\r\n\0]*")


class BrokenAnswer(Exception):
    """What came is no HTTP answer, or not all of one."""


class Answer(NamedTuple):
    """An answer of any status; `date` is its header `Date`."""

    status: int
    body: bytes
    date: str | None


class Address:
    """Where connections lead to; each of their operations may take `timeout` seconds."""

    def __init__(self, host: str, port: int, timeout: float, *, secure: bool) -> None:
        self.host, self.port, self.timeout = host, port, timeout
        self.name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.tls: ssl.SSLContext | None = None
        if secure:
            self.tls = ssl.create_default_context()
            self.tls.set_alpn_protocols(["http/1.1"])

    def connect(self) -> socket.socket:
        """Return a new connection. Raises `OSError`."""
        made = socket.create_connection((self.host, self.port), self.timeout)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is not None:
            made = self.tls.wrap_socket(made, server_hostname=self.host)
        else:
            # The kernel's limits cost nothing; with a limit of Python's, each operation is preceded
            # by another system call that waits until the socket is ready.
            limit = struct.pack("ll", *divmod(int(self.timeout * 1_000_000), 1_000_000))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            made.settimeout(None)
        keep_private(made)
        return made


class AnswerParser:
    """Reads one answer, piece by piece; what it says of the answer holds once it `is_complete`."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._date: str | None = None
        self._has_head = self._has_length = False
        self.has_begun = False
        self.is_complete = False
        self.keeps_alive = False

    def feed(self, piece: bytes) -> None:
        """Take what was received, empty at the connection's end. Raises `BrokenAnswer`."""
        if not piece:
            # The end of an answer without a length is the connection's.
            if not self._has_head or self._has_length:
                raise BrokenAnswer("the connection was closed within the answer")
            self.is_complete = True
            return
        self.has_begun = True
        try:
            self._parser.feed_data(piece)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise BrokenAnswer(repr(error)) from error

    def answer(self) -> Answer:
        """Return the answer."""
        return Answer(self._parser.get_status_code(), b"".join(self._body), self._date)

    def close(self) -> None:
        """Let go of what was received, which a cycle of references would keep for long."""
        del self._parser  # it refers to this

    # The parser calls the methods below.

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise BrokenAnswer("more was sent than the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"date":
            self._date = value.decode("latin-1")
        elif name in {b"content-length", b"transfer-encoding"}:
            self._has_length = True

    def on_headers_complete(self) -> None:
        # An answer 1xx precedes the one that was asked for.
        self._has_head = self._parser.get_status_code() >= 200

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._has_head:
            self.is_complete = True
            self.keeps_alive = self._parser.should_keep_alive()


class Connection:
    """A connection for one call after the other, by one thread at a time."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    @property
    def is_open(self) -> bool:
        """Whether the connection can be used for a call."""
        return self._socket is not None

    def open(self) -> socket.socket:
        """Return the socket, connected if it was not. Raises `OSError`."""
        if self._socket is None:
            self._socket = self._address.connect()
        return self._socket

    def call(self, request: bytes) -> Answer:
        """Send a request and return its answer. Raises `OSError` and `BrokenAnswer`.

        A connection that was closed before anything of the answer came raises a `ConnectionError`.
        Close the connection after every error, since the answer may still come.
        """
        opened, parser = self.open(), AnswerParser()
        try:
            opened.sendall(request)
            while not parser.is_complete:
                piece = opened.recv(PIECE)
                if not piece and not parser.has_begun:
                    raise ConnectionResetError("the connection was closed without an answer")
                parser.feed(piece)
            answer = parser.answer()
        except BlockingIOError as error:  # the kernel's limit
            raise TimeoutError("timed out") from error
        finally:
            parser.close()
        if not parser.keeps_alive:
            self.close()
        return answer

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def head_of(headers: Mapping[str, str]) -> str:
    """Return lines of a request's head. Raises `ValueError` for what would be more than a line."""
    for value in headers.values():
        if not HEADER.fullmatch(value):
            raise ValueError(f"not the value of a header: {value!r}")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def request_of(method: str, path: str, head: str, body: bytes | None) -> bytes:
    """Return a request with these lines in its head. Raises `ValueError` for a path that is none.

    A body always has a length, also an empty one, except where the method has none.
    """
    if not PATH.fullmatch(path):
        raise ValueError(f"not a path: {path!r}")
    if body is None and method == "GET":
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1")
    body = body or b""
    length = f"Content-Length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\n{head}{length}\r\n".encode("latin-1") + body
