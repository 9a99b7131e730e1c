"""An HTTP server that answers as a test has written down, and transports that call it."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import orjson

from shared.resonate.transport import Transport
from shared.settings import ServerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

ERROR = b'{"error":{"code":5030,"message":"later"}}'
"""Body of an answer with which the server reports trouble of its own."""


@dataclass(frozen=True)
class Request:
    """A request as the server received it; `connection` is the client's port."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True)
class Answer:
    """One answer of the server.

    `hangs_up` closes the connection after it, `sends_close` announces that in a header. A `held`
    answer is sent only when the test sets `released`.
    """

    status: int = 200
    body: bytes = b"{}"
    hangs_up: bool = False
    sends_close: bool = False
    held: bool = False


class ScriptedServer(ThreadingHTTPServer):
    """Sends its answers in turn, repeats the last one, and records every request."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, *answers: Answer, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.answers = list(answers) or [Answer()]
        self.requests: list[Request] = []
        self.released = threading.Event()
        self.hung_up = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    @property
    def connections(self) -> list[int]:
        return [request.connection for request in self.requests]

    def answer(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.hung_up.release()

    def end(self) -> None:
        """End every connection and free the port."""
        self.shutdown()
        self.released.set()
        for each in self._sockets:
            with contextlib.suppress(OSError):  # closed by its client or its thread before
                each.shutdown(socket.SHUT_RD)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Keeps connections open, as the real server does."""

    server: ScriptedServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer = self.server.answer(
            Request(
                self.command, self.path, dict(self.headers.items()), body, self.client_address[1]
            )
        )
        if answer.held:
            assert self.server.released.wait(10)
        content = answer.body or orjson.dumps(self.path)
        content = b"" if answer.status == 204 else content
        close = "Connection: close\r\n" if answer.sends_close else ""
        head = f"HTTP/1.1 {answer.status} X\r\n{close}Content-Length: {len(content)}\r\n\r\n"
        self.wfile.write(head.encode() + content)
        self.close_connection = answer.hangs_up or answer.sends_close

    do_GET = do_POST = do_PATCH = respond  # noqa: N815 - named by the base class

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@contextlib.contextmanager
def serving(*answers: Answer, port: int = 0) -> Iterator[ScriptedServer]:
    """Run a server in a thread."""
    server = ScriptedServer(*answers, port=port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield server
    finally:
        server.end()
        thread.join(5)


def transport_to(server: ScriptedServer, *, attempt: float = 5.0, budget: float = 5.0) -> Transport:
    """Return a transport to a scripted server."""
    return transport_to_port(server.server_port, attempt=attempt, budget=budget)


def transport_to_port(port: int, *, attempt: float = 5.0, budget: float = 5.0) -> Transport:
    """Return a transport to a port of this machine, whether or not a server listens there."""
    address = ServerSettings(host="http://127.0.0.1", store_port=port)
    return Transport(address, attempt=attempt, budget=budget)


def as_is(answer: Any) -> Any:
    """Return an answer unchanged."""
    return answer


def read_name(answer: Any) -> str:
    """Return the name in an answer; an answer without one is not as expected."""
    return str(answer["name"])
