"""A receiver of webhooks, which answers with chosen statuses."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Call:
    """One POST: its path, its headers in lower case, its body, and when it came (monotonic)."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


@dataclass
class Receiver:
    """Answers with `statuses` in turn, then 204; `headers` go with the statuses.

    It takes calls at any time, and answers while `answering` is set.
    """

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    answering: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=secret"


@contextlib.contextmanager
def receiving(*statuses: int, **headers: str) -> Iterator[Receiver]:
    """Listen on a free port of this machine until the block ends.

    An underscore in the name of a header stands for a hyphen.
    """
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    receiver = Receiver(statuses=list(statuses), headers=sent)
    receiver.answering.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.calls.append(Call(self.path, headers, body))
            receiver.answering.wait(60)
            chosen = bool(receiver.statuses)
            self.send_response(receiver.statuses.pop(0) if chosen else 204)
            for name, value in receiver.headers.items() if chosen else ():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.answering.set()
        server.shutdown()
        server.server_close()
        thread.join()
