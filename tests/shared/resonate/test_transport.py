"""Calls to a real HTTP server on this machine: one that works, one that does not, and none."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from shared.resonate.transport import Refused, Transport, Unanswered, authorization
from shared.settings import ServerSettings
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ERROR = b'{"error":{"code":5030,"message":"later"}}'


@dataclass(frozen=True)
class Request:
    """What the server was sent; `connection` is the client's port."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True)
class Answer:
    """What the server says; then it may go without a word, or wait until it is let go."""

    status: int = 200
    body: bytes = b"{}"
    hangs_up: bool = False
    says_close: bool = False
    waits: bool = False


class Server(ThreadingHTTPServer):
    """Gives its answers in turn, the last one for ever, and remembers every request."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, *answers: Answer, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.answers = list(answers) or [Answer()]
        self.requests: list[Request] = []
        self.go = threading.Event()
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
        self.go.set()
        for each in self._sockets:
            with contextlib.suppress(OSError):  # its client or its thread was faster
                each.shutdown(socket.SHUT_RD)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Keeps connections open, as the real server does."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer = self.server.answer(
            Request(
                self.command, self.path, dict(self.headers.items()), body, self.client_address[1]
            )
        )
        if answer.waits:
            assert self.server.go.wait(10)
        said = answer.body or orjson.dumps(self.path)
        said = b"" if answer.status == 204 else said
        close = "Connection: close\r\n" if answer.says_close else ""
        head = f"HTTP/1.1 {answer.status} X\r\n{close}Content-Length: {len(said)}\r\n\r\n"
        self.wfile.write(head.encode() + said)
        self.close_connection = answer.hangs_up or answer.says_close

    do_GET = do_POST = do_PATCH = respond  # noqa: N815 - names of the base class's

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(*answers: Answer, port: int = 0) -> Iterator[Server]:
    """Run a server in a thread."""
    server = Server(*answers, port=port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield server
    finally:
        server.end()
        thread.join(5)


def client(server: Server, *, attempt: float = 5.0, budget: float = 5.0) -> Transport:
    """Return a transport to the server."""
    return to_port(server.server_port, attempt=attempt, budget=budget)


def to_port(port: int, *, attempt: float = 5.0, budget: float = 5.0) -> Transport:
    """Return a transport to a port of this machine, where there may be nothing."""
    address = ServerSettings(host="http://127.0.0.1", store_port=port)
    return Transport(address, attempt=attempt, budget=budget)


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def same(answer: Any) -> Any:
    """Read an answer as it is."""
    return answer


def name(answer: Any) -> str:
    """Read an answer that has a name."""
    return str(answer["name"])


def test_a_call_is_sent_as_json() -> None:
    """The server is sent the method, the path, the headers and the body as JSON."""
    with serving(Answer(body=b'{"a":[1,null]}')) as server:
        transport = client(server)

        answer = transport.call("PATCH", "/x/y?z=1", {"b": "é"}, {"strict": "true"}, read=same)
        transport.close()

    (request,) = server.requests
    assert answer == {"a": [1, None]}
    assert (request.method, request.path, request.body) == (
        "PATCH",
        "/x/y?z=1",
        '{"b":"é"}'.encode(),
    )
    assert (request.headers["Content-Type"], request.headers["strict"]) == (
        "application/json",
        "true",
    )
    assert "Authorization" not in request.headers


def test_headers_are_of_one_call_only() -> None:
    """What one call says in its headers, a fence above all, the next call does not say."""
    with serving() as server:
        transport = client(server)
        transport.call("POST", "/", {}, {"task-id": "t"}, read=same)
        transport.call("POST", "/", {}, read=same)
        transport.close()

    assert [request.headers.get("task-id") for request in server.requests] == ["t", None]


@pytest.mark.parametrize(("status", "body"), [(200, b"null"), (204, b"{}")])
def test_an_answer_may_be_empty(status: int, body: bytes) -> None:
    """An answer without a body is read as null."""
    with serving(Answer(status, body)) as server:
        transport = client(server)

        assert transport.call("POST", "/", {}, read=lambda answer: [answer]) == [None]
        transport.close()


def test_a_connection_is_used_again() -> None:
    """Calls one after the other go over one connection, a refused one among them."""
    refusal = Answer(404, b'{"error":{"code":4040,"message":"no"}}')
    with serving(Answer(), refusal, Answer()) as server:
        transport = client(server)
        transport.call("GET", "/", read=same)
        with pytest.raises(Refused):
            transport.call("GET", "/", read=same)
        transport.call("POST", "/", {"a": 1}, read=same)
        transport.close()

    assert len(server.requests) == 3
    assert len(set(server.connections)) == 1


def test_threads_do_not_share_a_connection() -> None:
    """Calls from many threads at once each get their own answer, over as few connections."""
    with serving(Answer(body=b"")) as server:
        transport = client(server)
        start = threading.Barrier(8)
        got: dict[str, object] = {}

        def work(thread: int) -> None:
            start.wait(5)
            for turn in range(20):
                path = f"/{thread}/{turn}"
                got[path] = transport.call("GET", path, read=same)

        threads = [threading.Thread(target=work, args=(each,)) for each in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(10)
        transport.close()

    paths = [f"/{thread}/{turn}" for thread in range(8) for turn in range(20)]
    assert got == {path: path for path in paths}
    assert len(set(server.connections)) <= 8


@pytest.mark.parametrize("says_close", [True, False])
@pytest.mark.parametrize("budget", [0, 5])
def test_a_stale_connection_is_replaced(says_close: bool, budget: float) -> None:  # noqa: FBT001
    """A connection that the server has ended, with or without a word, costs the caller nothing."""
    gone = Answer(body=b"1", hangs_up=True, says_close=says_close)
    with serving(gone, Answer(body=b"2")) as server:
        transport = client(server)
        first = transport.call("GET", "/", read=same)
        assert server.hung_up.acquire(timeout=5)

        second = transport.call("GET", "/", read=same, budget=budget)
        transport.close()

    assert (first, second) == (1, 2)
    assert len(set(server.connections)) == 2


def test_one_dead_connection_condemns_the_others() -> None:
    """After a restart of the server, only one try is lost to all the connections to the old one."""
    with serving(Answer(waits=True)) as old:
        transport = client(old)
        threads = [
            threading.Thread(target=transport.call, args=("GET", "/"), kwargs={"read": same})
            for _ in range(5)
        ]
        for each in threads:
            each.start()
        wait_until(lambda: len(old.requests) == 5, what="five calls at once")
        old.go.set()
        for each in threads:
            each.join(5)
        assert len(transport._idle) == 5
    with serving(Answer(body=b"2"), port=old.server_port) as new:
        # Five tries that fail would need pauses of at least 0.31 s.
        answer = transport.call("GET", "/", read=same, budget=0.25)
        left = len(transport._idle)
        transport.close()

    assert (answer, len(new.requests), left) == (2, 1, 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422])
def test_a_refusal_tells_its_status(status: int) -> None:
    """What the server says no to is not asked again, and the caller learns why."""
    with serving(Answer(status, b'{"error":{"code":%d7,"message":"no"}}' % status)) as server:
        transport = client(server)
        with pytest.raises(Refused) as caught:
            transport.call("GET", "/", read=same)
        transport.close()

    refusal = caught.value
    assert (refusal.status, refusal.code, refusal.message) == (status, status * 10 + 7, "no")
    assert str(refusal) == f"{status}/{status}7: no"
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_until_the_budget_is_over(status: int) -> None:
    """Statuses that pass are tried again, with growing pauses, for as long as the budget lasts."""
    with serving(Answer(status, ERROR)) as server:
        transport = client(server, budget=0.25)
        began = time.monotonic()
        with pytest.raises(Unanswered) as caught:
            transport.call("GET", "/", read=same)
        took = time.monotonic() - began
        transport.close()

    assert str(caught.value) == f"{status}/5030: later"
    # At most six tries fit: five pauses are at least 0.01 + 0.02 + 0.04 + 0.08 + 0.16 > 0.25 s.
    assert 3 <= len(server.requests) <= 5
    assert took < 1.0
    assert len(set(server.connections)) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(503, ERROR),
        Answer(429, ERROR),
        Answer(502, b"<html>Bad Gateway</html>"),
        Answer(404, b"<html>Not Found</html>"),
        Answer(301, b""),
        Answer(200, b"<html>Log in</html>"),
        Answer(200, b'{"error":{"code":1,"message":"odd"}}'),
        Answer(200, b"[]"),
        Answer(200, b"null"),
        Answer(403, b'{"error":"no"}'),
        Answer(403, b'{"error":{"code":"x","message":"no"}}'),
        Answer(403, b"[]"),
    ],
    ids=lambda answer: f"{answer.status}-{answer.body.decode()[:20]}",
)
def test_trouble_that_passes_is_not_noticed(trouble: Answer) -> None:
    """After trouble, or an answer of something that is not the server, the call is repeated."""
    with serving(trouble, trouble, Answer(body=b'{"name":"n"}')) as server:
        transport = client(server)

        answer = transport.call("POST", "/x", {"a": 1}, {"h": "v"}, read=name)
        transport.close()

    sent = [(r.method, r.path, r.body, r.headers["h"]) for r in server.requests]
    assert answer == "n"
    assert sent == [("POST", "/x", b'{"a":1}', "v")] * 3


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (404, b"<html>"), (200, b"[]")])
def test_what_is_not_the_server_is_no_answer(status: int, body: bytes) -> None:
    """If something else answers all the time, nothing is known, whatever status it gives."""
    with serving(Answer(status, body)) as server:
        transport = client(server, budget=0.05)
        with pytest.raises(Unanswered) as caught:
            transport.call("GET", "/", read=name)
        transport.close()

    assert str(caught.value) == f"{status}: not an answer of the server: {body!r}"


@pytest.mark.parametrize("budget", [0.0, 0.2])
def test_nobody_there_is_no_answer(budget: float) -> None:
    """With nothing behind the address the call ends within its budget, or at once without one."""
    began = time.monotonic()
    with pytest.raises(Unanswered, match="ConnectionRefusedError"):
        to_port(free_port(), budget=budget).call("GET", "/", read=same)

    assert time.monotonic() - began < budget + 0.5


def test_a_server_that_comes_is_reached() -> None:
    """A call that began before the server was there is answered all the same."""
    port = free_port()
    transport = to_port(port)
    got: list[object] = []
    tried = threading.Event()

    def work() -> None:
        tried.set()
        got.append(transport.call("GET", "/", read=same))

    thread = threading.Thread(target=work)
    thread.start()
    assert tried.wait(5)
    with serving(Answer(body=b"1"), port=port):
        thread.join(6)
        transport.close()

    assert got == [1]


def test_silence_is_cut_short() -> None:
    """A server that takes a call and says nothing holds the caller for its budget, not longer."""
    with serving(Answer(waits=True)) as server:
        transport = client(server, attempt=0.05, budget=0.2)
        began = time.monotonic()
        with pytest.raises(Unanswered, match="TimeoutError"):
            transport.call("GET", "/", read=same)
        took = time.monotonic() - began

    assert took < 1.0
    assert len(server.requests) >= 2
    assert len(set(server.connections)) == len(server.requests)


def test_a_late_answer_is_never_taken_for_the_next() -> None:
    """The connection of a call that was given up is not used again: its answer may still come."""
    with serving(Answer(body=b'"old"', waits=True), Answer(body=b'"new"')) as server:
        transport = client(server, attempt=0.05)

        assert transport.call("GET", "/", read=same) == "new"
        server.go.set()
        assert transport.call("GET", "/", read=same) == "new"
        transport.close()

    first, *others = server.connections
    assert len(others) == 2
    assert first not in others


@pytest.mark.parametrize(
    ("options", "fewest", "most"),
    [({"retry": False}, 1, 1), ({"budget": 0}, 1, 1), ({"budget": 0.1}, 2, 4)],
)
def test_a_call_can_be_limited(options: dict[str, Any], fewest: int, most: int) -> None:
    """A claim is tried once, and a call may have a smaller budget than the others."""
    with serving(Answer(503, ERROR)) as server:
        transport = client(server, budget=30)
        with pytest.raises(Unanswered):
            transport.call("GET", "/", read=same, **options)
        transport.close()

    assert fewest <= len(server.requests) <= most


def test_a_process_that_stops_tries_no_more() -> None:
    """Once the process is to stop, a call in trouble ends with the try that is under way."""
    with serving(Answer(503, ERROR)) as server:
        address = ServerSettings(host="http://127.0.0.1", store_port=server.server_port)
        transport = Transport(
            address, attempt=5, budget=30, stopped=lambda: len(server.requests) >= 3
        )
        with pytest.raises(Unanswered, match="later"):
            transport.call("GET", "/", read=same)
        transport.close()

    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("user", "password"), [("somebody", "s3cret"), ("é", "a:b"), ("u" * 60, "p" * 60)]
)
def test_a_user_is_named(user: str, password: str) -> None:
    """With a user in the settings every call carries basic authentication, in one line."""
    settings = ServerSettings(username=user, password=password)

    scheme, token = authorization(settings)["Authorization"].split(" ")

    assert (scheme, base64.b64decode(token).decode()) == ("Basic", f"{user}:{password}")


def test_the_user_reaches_the_server() -> None:
    """The header for authentication is sent with the others."""
    with serving() as server:
        address = ServerSettings("http://127.0.0.1", server.server_port, 0, "u", "p")
        transport = Transport(address, attempt=5, budget=5)
        transport.call("GET", "/", None, {"h": "v"}, read=same)
        transport.close()

    assert server.requests[0].headers["Authorization"] == "Basic dTpw"
    assert authorization(ServerSettings()) == {}
